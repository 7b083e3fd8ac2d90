//! What can go wrong between a file and a token.

use super::{gguf::GgufError, kernels::packed::PackError, plain::plain};

#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error(transparent)]
    Gguf(#[from] GgufError),
    #[error(
        "the architecture '{0}' is not supported: use a GGUF file whose architecture is {known}",
        known = super::family::names()
    )]
    Architecture(String),
    #[error("the model file makes no sense: {0}; download it again or use another file")]
    Description(String),
    #[error(
        "the tensor '{name}' has the shape {actual:?} where {expected:?} is needed; the file is damaged or not of the architecture it claims"
    )]
    Shape {
        name: String,
        expected: Vec<usize>,
        actual: Vec<usize>,
    },
    #[error("token id {id} is outside the model's vocabulary of {vocab}")]
    Token { id: u32, vocab: usize },
    #[error("{device} cannot be used: {reason}; use --device cpu")]
    Device { device: String, reason: String },
    #[error("the keys and values cannot be stored as {0} on this device; use --kv-dtype auto")]
    KvDtype(String),
    #[error(
        "the model file {file} gives no numbers to answer from (NaN or infinite): it is damaged; \
         download it again or use another file"
    )]
    NotFinite { file: String },
    /// What it takes, what there is, and what would fit.
    #[error("{0}")]
    Memory(String),
    /// Not what was written; who asked reads the tokens again.
    #[error("the conversation's archive is damaged; ask again, and it is read anew")]
    Archive,
    #[error("a weight cannot be prepared: {0}")]
    Pack(#[from] PackError),
    #[error("the computation failed: {}", plain(.0))]
    Candle(#[from] candle_core::Error),
}

pub type Result<T> = std::result::Result<T, ModelError>;
