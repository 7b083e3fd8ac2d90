//! What tasks make.

/// What a task made of a size: sentences, words or whatever it counts.
#[derive(Clone, Debug, Default)]
pub struct Made {
    pub context: String,
    pub question: String,
    /// The beginning of the answer.
    pub lead: String,
    pub answers: Vec<String>,
    pub depths: Vec<f64>,
}
