//! Why a turn could not be had.

use super::event::TooLong;
use crate::model::ModelError;
use crate::model::template::TemplateError;

/// Why a turn could not be had. The conversation is as it was before it.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(
        "the conversation would take {} tokens, {} more than the model's context of {}; shorten it \
         or use a model with a longer context (a larger budget does not help)",
        .0.needed, .0.over(), .0.context
    )]
    TooLong(TooLong),
    #[error(
        "the budget comes to {budget} entries per KV head, which the observation window of {window} \
         alone would fill; the smallest legal budget is {smallest}"
    )]
    Budget {
        budget: usize,
        window: usize,
        smallest: usize,
    },
    #[error(
        "the budget of {size} has no room for the observation window of {window} entries per KV head and the slack of {slack} \
         that answers grow by{beside}; the smallest legal size for this model is {smallest}"
    )]
    Size {
        size: String,
        window: usize,
        slack: usize,
        beside: String,
        smallest: String,
    },
    #[error("nothing was asked yet; write a question to compare its answers")]
    NoQuestion,
    #[error("there is no answer to go on with; ask something first")]
    NoAnswer,
    #[error("the last answer is complete: the model ended it itself")]
    Complete,
    #[error(
        "the conversation fills the model's context of {context} tokens, so that the answer cannot \
         go on; start a new one or use a model with a longer context"
    )]
    Filled { context: usize },
}
