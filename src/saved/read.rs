//! From lines to a conversation.

use std::io::BufRead;

use super::record::{Ending, Header, Piece, Record, Thought};

/// Turns and pieces of questions that a conversation may have. An empty turn is 12 bytes of its file and
/// 80 of memory, so that the size of the file alone bounds nothing.
pub(super) const MOST: usize = 1 << 18;

/// A question with its answer, which may be empty where the app was ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SavedTurn {
    pub question: Vec<Piece>,
    pub answer: Option<String>,
    pub thought: Option<Thought>,
    /// `None` where the app was ended before the answer.
    pub end: Option<Ending>,
}

/// What a session's file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SavedConversation {
    pub header: Header,
    pub turns: Vec<SavedTurn>,
    /// Bytes up to the end of the last whole line, which may lack its line end; what follows was being
    /// written in a crash.
    pub whole: usize,
    /// Lines that could not be understood.
    pub damaged: usize,
    /// Turns and pieces of their questions.
    pub parts: usize,
}

/// Reads a file's content; whatever it holds, what can be understood is returned.
pub fn read(content: &[u8]) -> SavedConversation {
    let mut conversation = SavedConversation {
        whole: whole(content),
        ..SavedConversation::default()
    };
    conversation.take_lines(lines(&content[..conversation.whole]));
    conversation
}

/// Bytes up to the end of the last whole line. One that lacks nothing but its end is whole, too: it was
/// killed a byte early, or the file was edited.
pub(super) fn whole(content: &[u8]) -> usize {
    let ends = content.iter().rposition(|&b| b == b'\n');
    let ended = ends.map_or(0, |at| at + 1);
    let rest = content.get(ended..).unwrap_or_default();
    let header = ended == 0 && serde_json::from_slice::<Header>(rest).is_ok();
    match header || serde_json::from_slice::<Record>(rest).is_ok() {
        true => content.len(),
        false => ended,
    }
}

/// Lines without their ends, the last also where it has none.
pub(super) fn lines(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let all = text;
        // It looks for many bytes at once, and reading from a slice does not fail.
        let length = text.skip_until(b'\n').ok().filter(|&n| n > 0)?;
        let line = all.get(..length)?;
        Some(line.strip_suffix(b"\n").unwrap_or(line))
    })
}

impl SavedConversation {
    /// The header's line and all others, whole ones.
    pub(super) fn take_lines<'l>(&mut self, lines: impl Iterator<Item = &'l [u8]>) {
        let mut lines = lines.filter(|line| !line.is_empty());
        if let Some(first) = lines.next() {
            match serde_json::from_slice(first) {
                Ok(header) => self.header = header,
                // It was killed while it wrote the header, and went on without one.
                Err(_) => self.take_line(first),
            }
        }
        lines.for_each(|line| self.take_line(line));
    }

    fn take_line(&mut self, line: &[u8]) {
        match serde_json::from_slice(line) {
            Ok(record) => self.take(record),
            Err(_) => self.damaged += 1,
        }
    }

    pub(super) fn take(&mut self, record: Record) {
        if self.crowded() {
            return;
        }
        match record {
            Record::User(question) => {
                self.parts += 1 + question.len();
                self.turns.push(SavedTurn {
                    question,
                    ..SavedTurn::default()
                });
            }
            Record::Answer(text) => match self.turns.last_mut() {
                Some(turn) => {
                    turn.answer.get_or_insert_default().push_str(&text);
                    turn.end = None;
                }
                None => self.damaged += 1,
            },
            Record::Thought(thought) => match self.turns.last_mut() {
                Some(turn) => turn.thought = Some(thought),
                None => self.damaged += 1,
            },
            Record::End(end) => match self.turns.last_mut() {
                Some(turn) => turn.end = Some(end),
                None => self.damaged += 1,
            },
            Record::Truncate(messages) => {
                let kept = messages.div_ceil(2).min(self.turns.len());
                let gone = self.turns.drain(kept..);
                let gone: usize = gone.map(|turn| 1 + turn.question.len()).sum();
                self.parts = self.parts.saturating_sub(gone);
                if messages % 2 == 1
                    && let Some(last) = self.turns.last_mut()
                {
                    (last.answer, last.thought, last.end) = (None, None, None);
                }
            }
        }
    }

    /// It has more parts than a conversation may have; what followed was not taken in.
    pub(super) fn crowded(&self) -> bool {
        self.parts > MOST
    }

    /// The beginning of the first question, on one line; not yet made safe for a terminal.
    pub fn title(&self) -> String {
        let Some(first) = self.turns.first() else {
            return String::new();
        };
        let words = first.question.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Paste(_) => "[pasted]",
            Piece::File { name, .. } => name.as_str(),
        });
        let line: Vec<&str> = words.flat_map(str::split_whitespace).collect();
        let (line, most) = (line.join(" "), 80);
        match line.chars().nth(most) {
            Some(_) => line.chars().take(most - 1).chain(['…']).collect(),
            None => line,
        }
    }

    /// Whether the title, a question or an answer contains `query`, in any case.
    pub fn contains(&self, query: &str) -> bool {
        let query = query.to_lowercase();
        if self.title().to_lowercase().contains(&query) {
            return true;
        }
        self.turns.iter().any(|turn| {
            let questions = turn.question.iter().map(|piece| match piece {
                Piece::Text(text) | Piece::Paste(text) | Piece::File { text, .. } => text.as_str(),
            });
            questions
                .chain(turn.answer.as_deref())
                .any(|text| text.to_lowercase().contains(&query))
        })
    }
}
