//! candle's errors as a person reads them: with `RUST_BACKTRACE` set they carry a stack.

use candle_core::Error;

/// The message alone.
pub fn plain(error: &Error) -> String {
    match error {
        Error::WithBacktrace { inner, .. } => plain(inner),
        Error::WithPath { inner, path } => format!("{}: {}", path.display(), plain(inner)),
        Error::Context { inner, context } => format!("{context}: {}", plain(inner)),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::ModelError;
    use crate::model::gguf::GgufError;
    use std::backtrace::Backtrace;

    fn with_a_stack() -> Error {
        Error::WithBacktrace {
            inner: Box::new(Error::Msg("too small".into())),
            backtrace: Box::new(Backtrace::force_capture()),
        }
    }

    #[test]
    fn no_stack_gets_into_a_message() {
        assert!(with_a_stack().to_string().lines().count() > 3);
        let wrapped = Error::WithPath {
            inner: Box::new(with_a_stack()),
            path: "a.gguf".into(),
        };
        assert_eq!(plain(&wrapped), "a.gguf: too small");
        for text in [
            ModelError::Candle(with_a_stack()).to_string(),
            GgufError::Candle(with_a_stack()).to_string(),
        ] {
            assert!(text.ends_with(": too small"), "{text}");
        }
    }
}
