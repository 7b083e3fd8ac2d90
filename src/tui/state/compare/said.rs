//! What a run has said: as far as it is the full cache's answer, the first token that is not, and what
//! follows; thoughts apart from the answer, without their marks.

use crate::model::thoughts::{Part, Splitter};
use crate::tui::text::safe;

/// Whose words they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// The full cache says the same.
    Same,
    /// The first token that differs.
    Other,
    /// Behind it.
    Rest,
}

/// An answer in pieces.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Whose, whether it is thought, and the words.
    pieces: Vec<(Voice, bool, String)>,
    splitter: Splitter,
    diverged: bool,
    /// A token came since it diverged.
    other: bool,
}

impl Said {
    /// From here on it is not the full cache's answer.
    pub fn diverge(&mut self) {
        // What looked like the beginning of a mark was said by both.
        let mut held = self.splitter.clone();
        if held.holds() {
            held.finish(&mut |part, text| self.put(part, text, Voice::Same));
            self.splitter = held;
        }
        self.diverged = true;
    }

    /// The next piece, as the model wrote it.
    pub fn push(&mut self, piece: &str) {
        let voice = match (self.diverged, self.other) {
            (false, _) => Voice::Same,
            (true, false) => Voice::Other,
            (true, true) => Voice::Rest,
        };
        self.other |= self.diverged;
        let mut splitter = std::mem::take(&mut self.splitter);
        splitter.push(piece, &mut |part, text| self.put(part, text, voice));
        self.splitter = splitter;
    }

    /// Nothing follows.
    pub fn finish(&mut self) {
        let voice = match self.diverged {
            true => Voice::Rest,
            false => Voice::Same,
        };
        let mut splitter = std::mem::take(&mut self.splitter);
        splitter.finish(&mut |part, text| self.put(part, text, voice));
    }

    pub fn diverged(&self) -> bool {
        self.diverged
    }

    /// In order: whose, whether it is thought, and the words. A thought's first words and the answer's behind
    /// it begin a line.
    pub fn pieces(&self) -> impl Iterator<Item = (Voice, bool, &str)> {
        let pieces = self.pieces.iter();
        pieces.map(|(voice, thought, text)| (*voice, *thought, text.as_str()))
    }

    fn put(&mut self, part: Part, text: &str, voice: Voice) {
        let thought = match part {
            Part::Mark => return,
            Part::Thought => true,
            Part::Answer => false,
        };
        let text = safe::visible(text);
        match self.pieces.last_mut() {
            Some((last, was, said)) if *was == thought => match *last == voice {
                true => said.push_str(&text),
                false => self.pieces.push((voice, thought, text.into())),
            },
            // The white space around marks is theirs.
            before => {
                let first = text.trim_start();
                if !first.is_empty() {
                    let gap = if before.is_some() { "\n\n" } else { "" };
                    self.pieces.push((voice, thought, format!("{gap}{first}")));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Said, Voice};

    fn pieces(said: &Said) -> Vec<(Voice, bool, &str)> {
        said.pieces().collect()
    }

    #[test]
    fn thoughts_stand_apart_and_marks_are_not_shown() {
        let mut said = Said::default();
        for piece in ["<th", "ink>\nLet me", " see.</thi"] {
            said.push(piece);
        }
        said.push("nk>\n\nIt is");
        said.diverge();
        for piece in [" seven", " or", " so"] {
            said.push(piece);
        }
        said.finish();
        let expected = [
            (Voice::Same, true, "Let me see."),
            (Voice::Same, false, "\n\nIt is"),
            (Voice::Other, false, " seven"),
            (Voice::Rest, false, " or so"),
        ];
        assert_eq!(pieces(&said), expected);
    }

    #[test]
    fn what_only_began_like_a_mark_is_told_as_it_was() {
        let mut said = Said::default();
        said.push("<thi");
        said.diverge();
        said.push("s> is");
        said.push(" it");
        said.finish();
        let text: String = said.pieces().map(|(_, _, text)| text).collect();
        assert_eq!(text, "<this> is it");
        assert_eq!(pieces(&said)[0], (Voice::Same, false, "<thi"));
        assert_eq!(pieces(&said)[1].0, Voice::Other);
    }
}
