//! The list of conversations. Only the head of a file is read for it, and of the newest first, so
//! that it takes as long for a large conversation as for a small one.

use std::fs::File;
use std::io::{self, Read};
use std::time::SystemTime;

use super::read::{SavedConversation, lines, whole};
use super::record::Record;

/// So much of a file is read for its line in the list.
pub(super) const HEAD: usize = 16 << 10;

/// So much of a line that goes on behind it: a title is shorter.
const BEGINNING: usize = 2 << 10;

/// How the line of an answer begins.
const ANSWER: &[u8] = b"{\"answer\":";

/// One line of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub name: String,
    /// Beginning of the first question; not yet made safe for a terminal.
    pub title: String,
    /// Turns at the beginning of the file.
    pub turns: usize,
    /// The file goes on behind those, and there may be more turns.
    pub more: bool,
    pub modified: SystemTime,
}

impl Summary {
    /// `None` for a conversation in which nothing was said.
    pub(super) fn of(
        name: String,
        modified: SystemTime,
        conversation: &SavedConversation,
    ) -> Option<Summary> {
        let turns = conversation.turns.len();
        (turns > 0).then(|| Summary {
            title: conversation.title(),
            turns,
            more: false,
            name,
            modified,
        })
    }

    /// From the head of the conversation's file, of which there are `len` bytes.
    pub(super) fn of_head(
        name: String,
        modified: SystemTime,
        file: File,
        len: u64,
    ) -> Option<Summary> {
        let head = head(file, len).ok()?;
        let more = len > HEAD as u64;
        let end = whole(&head);
        let mut conversation = SavedConversation::default();
        // What was answered is no part of the list, and most of the file.
        conversation.take_lines(lines(&head[..end]).filter(|line| !line.starts_with(ANSWER)));
        if more && conversation.turns.is_empty() {
            let record = torn(&head[end..]).filter(|record| matches!(record, Record::User(_)))?;
            conversation.take(record);
        }
        Summary::of(name, modified, &conversation).map(|summary| Summary { more, ..summary })
    }

    /// `1 turn`, `12 turns`, `12+ turns`.
    pub fn turns(&self) -> String {
        match (self.turns, self.more) {
            (1, false) => "1 turn".to_owned(),
            (n, false) => format!("{n} turns"),
            (n, true) => format!("{n}+ turns"),
        }
    }
}

/// The beginning of a file of `len` bytes. It is not read up to where nothing comes any more, which would
/// take as long again for a short one.
fn head(mut file: File, len: u64) -> io::Result<Vec<u8>> {
    let mut head = vec![0; len.min(HEAD as u64) as usize];
    let mut filled = 0;
    while filled < head.len() {
        match file.read(&mut head[filled..]) {
            // It was cut meanwhile.
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(filled);
    #[cfg(test)]
    counted::add(filled);
    Ok(head)
}

/// A line whose end was cut off, as a question with a large paste is; of a long one no more than its
/// beginning is looked at.
fn torn(line: &[u8]) -> Option<Record> {
    let line = &line[..line.len().min(BEGINNING)];
    let ended = |kept: &[u8], end: &[u8]| -> Option<Record> {
        serde_json::from_slice(&[kept, end].concat()).ok()
    };
    // Within a text, of which an escape or a character may be cut in two.
    let within = (0..12).find_map(|cut| {
        let kept = line.get(..line.len().checked_sub(cut)?)?;
        ended(kept, b"\"}]}").or_else(|| ended(kept, b"\"}}]}"))
    });
    // Or else behind the last whole piece: within texts, quotes are escaped.
    within.or_else(|| {
        let last = line.windows(4).rposition(|bytes| bytes == b"},{\"")?;
        ended(&line[..=last], b"]}")
    })
}

#[cfg(test)]
mod tests {
    use super::super::record::Piece;
    use super::*;

    #[test]
    fn a_question_is_known_wherever_its_line_is_cut_off() {
        let text = "\u{201c}a\u{201d}\n\"},{\"b\\ 日本";
        let pieces = [
            Piece::Text(text.into()),
            Piece::Paste(text.repeat(2)),
            Piece::File {
                name: "notes of a long name.txt".into(),
                text: text.into(),
            },
            Piece::Text("what is it?".into()),
        ];
        let line = serde_json::to_vec(&Record::User(pieces.clone().into())).unwrap();
        for cut in b"{\"user\":[{\"text\":\"".len()..line.len() {
            let Some(Record::User(found)) = torn(&line[..cut]) else {
                panic!("{}", String::from_utf8_lossy(&line[..cut]));
            };
            // All but the last are whole.
            assert!(!found.is_empty() && pieces.starts_with(&found[..found.len() - 1]));
        }
    }
}

/// What lists read, for tests.
#[cfg(test)]
pub(super) mod counted {
    use std::cell::Cell;

    thread_local! {
        static READ: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    }

    pub fn add(bytes: usize) {
        let (files, before) = READ.get();
        READ.set((files + 1, before + bytes));
    }

    /// Files and bytes since this was asked last.
    pub fn take() -> (usize, usize) {
        READ.replace((0, 0))
    }
}
