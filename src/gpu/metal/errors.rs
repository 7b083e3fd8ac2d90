//! What Metal says, as errors that name the call.

use candle_core::Error;
use objc2_foundation::NSError;

/// What failed in `call`, and why if that is said.
pub fn failed(call: &str, why: Option<&NSError>) -> Error {
    let text = why.map(|error| error.localizedDescription().to_string());
    let text = text.unwrap_or_else(|| "no explanation".into());
    Error::Msg(format!("Metal fails in {call}: {text}"))
}
