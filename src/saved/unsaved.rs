//! An answer on its way into its file.

use super::record::Record;

/// An answer is written down in pieces of about so many bytes, and at the end of each line.
const PIECE: usize = 240;

/// What was said and is not written down yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unsaved(String);

impl Unsaved {
    /// Takes what was said next; returns what is to be written down now.
    pub fn push(&mut self, piece: &str) -> Option<Record> {
        self.0.push_str(piece);
        match self.0.len() >= PIECE || self.0.ends_with('\n') {
            true => self.rest(),
            false => None,
        }
    }

    /// All of it, where the answer ends.
    pub fn rest(&mut self) -> Option<Record> {
        let said = std::mem::take(&mut self.0);
        (!said.is_empty()).then_some(Record::Answer(said))
    }
}
