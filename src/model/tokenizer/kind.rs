//! Kinds of tokens.

/// What `tokenizer.ggml.token_type` says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Normal,
    Unknown,
    Control,
    /// A control token that is shown where a model writes it; no file says so.
    Shown,
    UserDefined,
    Unused,
    Byte,
}

impl Kind {
    /// From the file's code; what is not known is an ordinary token.
    pub fn new(code: i64) -> Kind {
        match code {
            2 => Kind::Unknown,
            3 => Kind::Control,
            4 => Kind::UserDefined,
            5 => Kind::Unused,
            6 => Kind::Byte,
            _ => Kind::Normal,
        }
    }
}
