//! The session that is being written, for the driver.

use crate::saved::{
    Header, Record, SavedConversation, SavedTurn, SessionError, Store, Summary, Writer,
};

use crate::human;

/// So many conversations are offered by their names.
const LISTED: usize = 200;

/// Writes the running conversation; the file is created with the first question.
#[derive(Debug)]
pub struct Sessions {
    store: Store,
    model: String,
    policy: String,
    writer: Option<Writer>,
    /// Nothing can be written; said once.
    broken: bool,
}

impl Sessions {
    pub fn new(store: Store, model: String, policy: String, writer: Option<Writer>) -> Sessions {
        Sessions {
            store,
            model,
            policy,
            writer,
            broken: false,
        }
    }

    /// Appends to the session; an error is said once, and then it is not tried again.
    pub fn append(&mut self, record: &Record) -> Result<(), String> {
        if self.broken {
            return Ok(());
        }
        let done = match &mut self.writer {
            Some(writer) => writer.append(record),
            None => self.create().and_then(|mut writer| {
                let done = writer.append(record);
                self.writer = Some(writer);
                done
            }),
        };
        done.map_err(|error| {
            self.broken = true;
            format!("this conversation is not being saved: {error}")
        })
    }

    /// Another session begins, with these records.
    pub fn renew(&mut self, records: &[Record]) -> Result<(), String> {
        (self.writer, self.broken) = (None, false);
        records.iter().try_for_each(|r| self.append(r))
    }

    /// What finds and reads conversations, beside this one that is being written.
    pub fn shelf(&self) -> Shelf {
        Shelf {
            store: self.store.clone(),
            current: self.writer.as_ref().map(|w| w.name.clone()),
        }
    }

    /// Goes on with a session that [`Shelf::open`] found.
    pub fn resume(&mut self, found: Found) -> (String, Vec<SavedTurn>) {
        let (conversation, writer) = found;
        let name = writer.name.clone();
        (self.writer, self.broken) = (Some(writer), false);
        (name, conversation.turns)
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

    /// Names of the newest, each with its age, turns and title.
    pub fn list(&self) -> Vec<(String, String)> {
        let hint = |s: Summary| {
            let age = s.modified.elapsed().map(|d| d.as_secs_f64()).unwrap_or(0.0);
            let hint = format!("{} · {} · {}", human::age(age), s.turns(), s.title);
            (s.name, hint)
        };
        self.store.list("").take(LISTED).map(hint).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saved::Piece;

    /// A folder with one conversation for each question.
    fn sessions(folder: &std::path::Path, questions: &[&str]) -> Sessions {
        let store = Store::new(folder);
        let mut sessions = Sessions::new(store, "tiny".into(), "full".into(), None);
        for question in questions {
            let record = Record::User(vec![Piece::Text((*question).into())]);
            sessions.renew(&[record]).unwrap();
        }
        sessions.renew(&[]).unwrap();
        sessions
    }

    fn open(sessions: &mut Sessions, name: &str) -> Result<(String, Vec<SavedTurn>), String> {
        let found = sessions.shelf().open(name)?;
        Ok(sessions.resume(found))
    }

    #[test]
    fn a_conversation_is_opened_by_what_was_said_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let said = ["about apples", "about oranges"];
        let mut sessions = sessions(folder.path(), &said);
        let (_, turns) = open(&mut sessions, "ORANGES").unwrap();
        assert_eq!(turns[0].question, [Piece::Text("about oranges".into())]);
        sessions.renew(&[]).unwrap();
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
        let (_, turns) = open(&mut sessions, "about").unwrap();
        assert_eq!(turns[0].question, [Piece::Text("about apples".into())]);
    }

    #[test]
    fn the_list_tells_age_turns_and_title() {
        let folder = tempfile::tempdir().unwrap();
        let sessions = sessions(folder.path(), &["what is it?"]);
        let list = sessions.shelf().list();
        let hint = &list[0].1;
        assert!(hint.ends_with("· 1 turn · what is it?"), "{hint}");
    }
}
