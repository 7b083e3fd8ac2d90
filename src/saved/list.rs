//! The list of conversations. Only the head of a file is read for it, and of the newest first, so
//! that it takes as long for a large conversation as for a small one.

use std::fs::File;
use std::io::{self, Read};
use std::time::SystemTime;

use super::read::{SavedConversation, lines, whole};
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
