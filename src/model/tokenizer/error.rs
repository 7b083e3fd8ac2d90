//! What can be wrong with a vocabulary.

use crate::model::gguf::GgufError;

/// Why a tokenizer cannot be built or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    #[error(transparent)]
    Gguf(#[from] GgufError),
    #[error(
        "the model's tokenizer is of kind \"{}\", which is not supported (gpt2, llama and gemma4 are); get another model", .kind.escape_debug()
    )]
    Kind { kind: String },
    #[error(
        "the model's pre-tokenizer is \"{}\", which is not supported; get another model", .name.escape_debug()
    )]
    Pre { name: String },
    #[error("the model file's vocabulary is damaged: {what}; get another file of the model")]
    Vocabulary { what: &'static str },
    #[error("the tokenizer failed: {0}")]
    Build(tokenizers::Error),
}
