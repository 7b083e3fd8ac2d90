//! The session that is being written, for the driver.

use std::collections::VecDeque;

use crate::saved::{Header, Record, SavedConversation, SessionError, Store, Summary, Writer};

use crate::human;

/// So many conversations are offered by their names.
const LISTED: usize = 200;

/// A conversation and what of it is not in its file yet.
#[derive(Debug, Default)]
struct Book {
    writer: Option<Writer>,
    waiting: VecDeque<Record>,
}

/// Writes the running conversation; the file is created with the first question. What the disk does
/// not take is kept and tried again.
#[derive(Debug)]
pub struct Sessions {
    store: Store,
    model: String,
    policy: String,
    book: Book,
    /// Conversations that were left while something of them was still waiting.
    left: Vec<Book>,
    /// Why something waits.
    trouble: Option<String>,
}

impl Sessions {
    pub fn new(store: Store, model: String, policy: String, writer: Option<Writer>) -> Sessions {
        Sessions {
            store,
            model,
            policy,
            book: Book {
                writer,
                waiting: VecDeque::new(),
            },
            left: Vec::new(),
            trouble: None,
        }
    }

    /// Appends to the session.
    pub fn append(&mut self, record: Record) {
        self.book.waiting.push_back(record);
        self.flush();
    }

    /// Another session begins, with these records.
    pub fn renew(&mut self, records: Vec<Record>) {
        self.leave(None);
        self.book.waiting = records.into();
        self.flush();
    }

    /// Writes what waits, as far as the disk takes it.
    pub fn flush(&mut self) {
        let mut books = std::mem::take(&mut self.left);
        books.push(std::mem::take(&mut self.book));
        self.trouble = None;
        for book in &mut books {
            if let Err(error) = self.write(book) {
                self.trouble = Some(error.to_string());
            }
        }
        self.book = books.pop().unwrap_or_default();
        books.retain(|book| !book.waiting.is_empty());
        self.left = books;
    }

    fn write(&self, book: &mut Book) -> Result<(), SessionError> {
        while let Some(record) = book.waiting.front() {
            let writer = match &mut book.writer {
                Some(writer) => writer,
                none => none.insert(self.create()?),
            };
            writer.append(record)?;
            book.waiting.pop_front();
        }
        Ok(())
    }

    /// Why something is not saved yet.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// What has the conversation on the disk when it returns.
    pub fn syncing(&self) -> Option<impl FnOnce() -> Result<(), SessionError> + Send + use<>> {
        self.book.writer.as_ref()?.syncing().ok()
    }

    /// The end of what was said did not get onto the disk.
    pub fn not_synced(&mut self, why: &SessionError) {
        self.trouble.get_or_insert_with(|| why.to_string());
    }

    fn leave(&mut self, writer: Option<Writer>) {
        let next = Book {
            writer,
            waiting: VecDeque::new(),
        };
        let book = std::mem::replace(&mut self.book, next);
        if !book.waiting.is_empty() {
            self.left.push(book);
        }
    }

    /// What finds and reads conversations, beside this one that is being written.
    pub fn shelf(&self) -> Shelf {
        Shelf {
            store: self.store.clone(),
            current: self.book.writer.as_ref().map(|w| w.name.clone()),
        }
    }

    /// Goes on with a session that [`Shelf::open`] found.
    pub fn resume(&mut self, found: Found) -> (String, SavedConversation) {
        let (conversation, writer) = found;
        let name = writer.name.clone();
        self.leave(Some(writer));
        (name, conversation)
    }

    fn create(&self) -> Result<Writer, crate::saved::SessionError> {
        self.store.create(&Header {
            cachat: 1,
            created: chrono::Local::now().to_rfc3339(),
            model: self.model.clone(),
            policy: self.policy.clone(),
        })
    }
}

/// A conversation and what appends to it.
pub type Found = (SavedConversation, Writer);

/// The saved conversations, read beside the screen: there may be thousands, on a slow disk.
#[derive(Debug)]
pub struct Shelf {
    store: Store,
    /// The one that is being written is in use.
    current: Option<String>,
}

impl Shelf {
    /// An earlier session, by its name or by words that occur in it.
    ///
    /// # Errors
    /// One message that says what to do next.
    pub fn open(&self, name: &str) -> Result<Found, String> {
        if self.current.as_deref() == Some(name) {
            return Err(format!("{name} is this conversation"));
        }
        match self.store.open(name) {
            Err(SessionError::Unknown(_)) => self.mentioning(name),
            opened => opened.map_err(|e| e.to_string()),
        }
    }

    /// The only other conversation in which these words occur.
    fn mentioning(&self, words: &str) -> Result<Found, String> {
        let mut found: Vec<Summary> = self.store.list(words).collect();
        let all = found.len();
        found.retain(|s| self.current.as_ref() != Some(&s.name));
        match &found[..] {
            [] if all > 0 => Err(format!(
                "only this conversation mentions \u{201c}{words}\u{201d}"
            )),
            [] => Err(format!(
                "no conversation is named or mentions \u{201c}{words}\u{201d}"
            )),
            [only] => self.store.open(&only.name).map_err(|e| e.to_string()),
            several => {
                let names: Vec<_> = several.iter().take(5).map(|s| s.name.as_str()).collect();
                let more = match several.len() {
                    0..=5 => String::new(),
                    n => format!(" and {} more", n - 5),
                };
                let names = names.join(", ");
                Err(format!(
                    "{} conversations mention \u{201c}{words}\u{201d}: {names}{more}; open one by its name",
                    several.len()
                ))
            }
        }
    }

    /// Names of the newest others, each with its age, turns and title.
    pub fn list(&self) -> Vec<(String, String)> {
        let hint = |s: Summary| {
            let age = s.modified.elapsed().map(|d| d.as_secs_f64()).unwrap_or(0.0);
            let hint = format!("{} · {} · {}", human::age(age), s.turns(), s.title);
            (s.name, hint)
        };
        let others = self.store.list("");
        let others = others.filter(|s| self.current.as_ref() != Some(&s.name));
        others.take(LISTED).map(hint).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Fault, Faults};
    use crate::saved::Piece;

    /// A folder with one conversation for each question.
    fn sessions(folder: &std::path::Path, questions: &[&str]) -> Sessions {
        let store = Store::new(folder);
        let mut sessions = Sessions::new(store, "tiny".into(), "full".into(), None);
        for question in questions {
            let record = Record::User(vec![Piece::Text((*question).into())]);
            sessions.renew(vec![record]);
        }
        sessions.renew(Vec::new());
        sessions
    }

    fn open(sessions: &mut Sessions, name: &str) -> Result<(String, SavedConversation), String> {
        let found = sessions.shelf().open(name)?;
        Ok(sessions.resume(found))
    }

    #[test]
    fn a_conversation_is_opened_by_what_was_said_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let said = ["about apples", "about oranges"];
        let mut sessions = sessions(folder.path(), &said);
        let (_, opened) = open(&mut sessions, "ORANGES").unwrap();
        assert_eq!(
            opened.turns[0].question,
            [Piece::Text("about oranges".into())]
        );
        sessions.renew(Vec::new());
        let several = open(&mut sessions, "about").unwrap_err();
        assert!(several.contains("2 conversations mention"), "{several}");
        let none = open(&mut sessions, "pears").unwrap_err();
        assert!(none.contains("mentions \u{201c}pears\u{201d}"), "{none}");
    }

    #[test]
    fn the_conversation_itself_is_not_among_those_that_words_find() {
        let folder = tempfile::tempdir().unwrap();
        let said = ["about apples", "about oranges"];
        let mut sessions = sessions(folder.path(), &said);
        open(&mut sessions, "oranges").unwrap();
        let only = open(&mut sessions, "oranges").unwrap_err();
        assert!(only.contains("only this conversation"), "{only}");
        let (_, opened) = open(&mut sessions, "about").unwrap();
        assert_eq!(
            opened.turns[0].question,
            [Piece::Text("about apples".into())]
        );
    }

    /// Whatever the disk does and wherever, nothing of what was said is lost once it takes it again,
    /// and what is there meanwhile is whole.
    #[test]
    fn what_a_failing_disk_does_not_take_is_written_later() {
        let said = |i: usize| {
            let question = Record::User(vec![Piece::Text(format!("question {i}"))]);
            [
                question,
                Record::Answer("an answer\n".into()),
                Record::Truncate(2 * i + 2),
            ]
        };
        for fault in [Fault::Full, Fault::Io, Fault::ReadOnly, Fault::Interrupted] {
            for at in (0..400).step_by(3) {
                let folder = tempfile::tempdir().unwrap();
                let mut sessions = sessions(folder.path(), &[]);
                let faults = Faults::from(fault, at);
                said(0).into_iter().for_each(|r| sessions.append(r));
                sessions.renew(said(1).into());
                said(2).into_iter().for_each(|r| sessions.append(r));
                let fails = sessions.trouble().is_some();
                assert!(
                    fails || fault == Fault::Interrupted || at > 300,
                    "{fault:?} at {at}"
                );
                let conversations = |mended: bool| {
                    let store = Store::new(folder.path());
                    let mut turns = Vec::new();
                    for found in store.list("") {
                        let found = store.show(&found.name).unwrap();
                        assert_eq!(found.damaged, 0, "{fault:?} at {at}");
                        turns.push(found.turns.len());
                    }
                    turns.sort_unstable();
                    assert!(!mended || turns == [1, 2], "{fault:?} at {at}: {turns:?}");
                };
                conversations(false);
                drop(faults);
                sessions.flush();
                assert_eq!(sessions.trouble(), None);
                conversations(true);
                let files = std::fs::read_dir(folder.path()).unwrap().count();
                assert_eq!(files, 2, "{fault:?} at {at}");
            }
        }
    }

    #[test]
    fn the_list_tells_age_turns_and_title() {
        let folder = tempfile::tempdir().unwrap();
        let mut sessions = sessions(folder.path(), &["what is it?"]);
        let list = sessions.shelf().list();
        let (name, hint) = &list[0];
        assert!(hint.ends_with("· 1 turn · what is it?"), "{hint}");
        open(&mut sessions, name).unwrap();
        assert_eq!(sessions.shelf().list(), [], "this one is open");
    }
}
