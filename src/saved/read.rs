//! From lines to a conversation.

use super::record::{Ending, Header, Piece, Record, Thought};

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
    /// Bytes up to the end of the last whole line; what follows was being written in a crash.
    pub whole: usize,
    /// Lines that could not be understood.
    pub damaged: usize,
}

/// Reads a file's content; whatever it holds, what can be understood is returned.
pub fn read(content: &[u8]) -> SavedConversation {
    let mut conversation = SavedConversation {
        whole: content
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |at| at + 1),
        ..SavedConversation::default()
    };
    let whole = &content[..conversation.whole];
    let mut lines = whole.split(|&b| b == b'\n').filter(|l| !l.is_empty());
    if let Some(first) = lines.next() {
        match serde_json::from_slice(first) {
            Ok(header) => conversation.header = header,
            Err(_) => conversation.damaged += 1,
        }
    }
    for line in lines {
        match serde_json::from_slice(line) {
            Ok(record) => conversation.take(record),
            Err(_) => conversation.damaged += 1,
        }
    }
    conversation
}

impl SavedConversation {
    pub(super) fn take(&mut self, record: Record) {
        match record {
            Record::User(question) => self.turns.push(SavedTurn {
                question,
                ..SavedTurn::default()
            }),
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
                self.turns.truncate(messages.div_ceil(2));
                if messages % 2 == 1
                    && let Some(last) = self.turns.last_mut()
                {
                    (last.answer, last.thought, last.end) = (None, None, None);
                }
            }
        }
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
