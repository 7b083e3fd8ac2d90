//! How an answer ended.

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stop {
    Eos,
    Length,
    Interrupted,
}
