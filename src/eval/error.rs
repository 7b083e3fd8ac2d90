//! Why an evaluation cannot go on.

use super::data::DataError;
use super::synthetic::MakeError;
use crate::model::ModelError;
use crate::model::template::TemplateError;
use crate::model::tokenizer::TokenizerError;

/// Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Make(#[from] MakeError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    #[error(
        "{id}: a question with its answer takes {tokens} tokens where {most} are the most; use a model with a longer context"
    )]
    TooLong {
        id: String,
        tokens: usize,
        most: usize,
    },
    #[error("two texts are called {name}: rename one of the files")]
    SameName { name: String },
    #[error("{name} has {tokens} tokens, fewer than a passage: ask for shorter --lengths")]
    ShortText { name: String, tokens: usize },
    #[error("{path}: {what}")]
    Records { path: String, what: String },
}
