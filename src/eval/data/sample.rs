//! What every row becomes.

use crate::eval::metric::Rule;

/// A text and what is asked about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its own in a run: the set and its row.
    pub id: String,
    /// The kind of task: a form of data files, or a synthetic task.
    pub task: String,
    /// The set it belongs to.
    pub dataset: String,
    /// Everything that stands before the questions, instructions included.
    pub context: String,
    pub questions: Vec<Question>,
    /// Tokens that it was made for, where it was made.
    pub length: Option<usize>,
    /// Where in the text the answers stand, 0 to 1, where that is known.
    pub depths: Vec<f64>,
}

/// One question about a [`Sample`]'s text.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// What stands right behind the text: the prompt is the text and this.
    pub text: String,
    /// The beginning of the answer, which is given.
    pub lead: String,
    pub answers: Vec<String>,
    /// What could be answered, where that is a list.
    pub classes: Vec<String>,
    pub rule: Rule,
}
