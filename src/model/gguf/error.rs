//! What can be wrong with a GGUF file, each with the next step.

use std::path::PathBuf;

use crate::model::plain::plain;

/// Why a model file cannot be used. Every message says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    #[error("no such model file: {path}; check the path, or run `cachat models` to see what is on this machine", path = .path.display())]
    Missing { path: PathBuf },
    #[error("{path} is not a regular file; give the path of a .gguf file{hint}", path = .path.display())]
    NotAFile { path: PathBuf, hint: String },
    #[error("cannot read {path}: {source}", path = .path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} is empty (0 bytes); download it again", path = .path.display())]
    Empty { path: PathBuf },
    #[error(
        "{path} was changed while it was in use; start cachat again, and move a new model there (mv) rather than copying over the old one",
        path = .path.display()
    )]
    Changed { path: PathBuf },
    #[error("{path} is not a GGUF file: it begins with {begins}; give a .gguf model file", path = .path.display())]
    NotGguf { path: PathBuf, begins: String },
    #[error(
        "this GGUF file is of version {version}{note}; convert the model again with a current llama.cpp"
    )]
    Version { version: u32, note: &'static str },
    #[error(
        "the file is truncated: {what} needs bytes {start}..{end}, the file has {len}; download it again"
    )]
    Truncated {
        what: String,
        start: u64,
        end: u64,
        len: u64,
    },
    #[error("the file's header is damaged: {what}; download it again")]
    Damaged { what: String },
    #[error(
        "the tensor {name} is stored as {kind}, which cachat does not read; get a Q4_K_M, Q5_K_M, Q8_0, IQ4_XS or F16 file of the model"
    )]
    TensorType { name: String, kind: String },
    #[error(
        "the model file has no tensor {name}; it is incomplete or of another architecture: get another file of the model"
    )]
    NoTensor { name: String },
    #[error(
        "the model file has no metadata {key}; it is incomplete: get another file of the model"
    )]
    NoKey { key: String },
    #[error(
        "the model file's metadata {key} is {found}, expected {wanted}; get another file of the model"
    )]
    KeyType {
        key: String,
        wanted: &'static str,
        found: String,
    },
    /// A file of a model in several.
    #[error("{path}: {what}", path = .path.display())]
    Part { path: PathBuf, what: String },
    #[error(
        "the model is in {count} parts, and part {no} is missing: there is no {path}; download it, and put it beside the others",
        path = .path.display()
    )]
    NoPart {
        path: PathBuf,
        no: usize,
        count: usize,
    },
    /// Any of the others, with the file's name.
    #[error("{path}: {source}", path = .path.display())]
    In {
        path: PathBuf,
        source: Box<GgufError>,
    },
    #[error("cannot read the model file: {}", plain(.0))]
    Candle(#[from] candle_core::Error),
}

impl GgufError {
    /// Names the file where the message does not yet.
    pub fn in_file(self, path: &std::path::Path) -> GgufError {
        use GgufError::{Changed, Empty, In, Io, Missing, NoPart, NotAFile, NotGguf, Part};
        match self {
            Missing { .. } | NotAFile { .. } | Io { .. } | Empty { .. } | NotGguf { .. } => self,
            In { .. } | Changed { .. } | Part { .. } | NoPart { .. } => self,
            source => In {
                path: path.to_owned(),
                source: Box::new(source),
            },
        }
    }
}

pub type Result<T> = std::result::Result<T, GgufError>;

/// A damaged header, in words.
pub(super) fn damaged<T>(what: impl Into<String>) -> Result<T> {
    Err(GgufError::Damaged { what: what.into() })
}
