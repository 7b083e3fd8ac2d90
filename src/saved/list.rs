//! The list of conversations. Only the head of a file is read for it, and of the newest first, so
//! that it takes as long for a large conversation as for a small one.

use std::fs::File;
use std::io::{self, Read};
use std::time::SystemTime;

use super::read::{SavedConversation, read};
use super::record::Record;

/// So much of a file is read for its line in the list.
pub(super) const HEAD: usize = 16 << 10;

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

    /// From the head of the conversation's file.
    pub(super) fn of_head(name: String, modified: SystemTime, file: File) -> Option<Summary> {
        let (head, more) = head(file).ok()?;
        // What was answered is no part of the list, and most of the file.
        let lines = head.split_inclusive(|&b| b == b'\n');
        let lines: Vec<&[u8]> = lines.filter(|l| !l.starts_with(ANSWER)).collect();
        let mut conversation = read(&lines.concat());
        if more && conversation.turns.is_empty() {
            let line = lines.last().copied().unwrap_or_default();
            let record = torn(line).filter(|record| matches!(record, Record::User(_)))?;
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

/// The beginning of a file, and whether there is more.
fn head(file: File) -> io::Result<(Vec<u8>, bool)> {
    let mut head = Vec::with_capacity(HEAD + 1);
    file.take(HEAD as u64 + 1).read_to_end(&mut head)?;
    #[cfg(test)]
    counted::add(head.len());
    let more = head.len() > HEAD;
    head.truncate(HEAD);
    Ok((head, more))
}

/// A line whose end was cut off within a text, as a question with a large paste is.
fn torn(line: &[u8]) -> Option<Record> {
    // An escape or a character may be cut in two.
    (0..12).find_map(|cut| {
        let kept = line.get(..line.len().checked_sub(cut)?)?;
        [&b"\"}]}"[..], b"\"}}]}"].iter().find_map(|end| {
            let whole = [kept, end].concat();
            serde_json::from_slice(&whole).ok()
        })
    })
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
