//! The session that is being written, for the driver.

use crate::saved::{Header, Record, SavedConversation, SavedTurn, SessionError, Store, Writer};

use crate::human;

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

    /// Goes on with an earlier session.
    pub fn open(&mut self, name: &str) -> Result<(String, Vec<SavedTurn>), String> {
        // The one that is open would be in use.
        if self.writer.as_ref().is_some_and(|w| w.name == name) {
            return Err(format!("{name} is this conversation"));
        }
        let opened = match self.store.open(name) {
            Err(SessionError::Unknown(_)) => self.mentioning(name)?,
            opened => opened.map_err(|e| e.to_string())?,
        };
        let (conversation, writer) = opened;
        let name = writer.name.clone();
        (self.writer, self.broken) = (Some(writer), false);
        Ok((name, conversation.turns))
    }

    /// The only other conversation in which these words occur.
    fn mentioning(&self, words: &str) -> Result<(SavedConversation, Writer), String> {
        let mut found = self.store.list(words);
        let all = found.len();
        // The one that is open is in use.
        found.retain(|s| self.writer.as_ref().is_none_or(|w| w.name != s.name));
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

    /// Names, each with its age, turns and title.
    pub fn list(&self) -> Vec<(String, String)> {
        let sessions = self.store.list("").into_iter().take(200);
        let hint = |s: crate::saved::Summary| {
            let age = s.modified.elapsed().map(|d| d.as_secs_f64()).unwrap_or(0.0);
            let turns = match s.turns {
                1 => "1 turn".to_owned(),
                n => format!("{n} turns"),
            };
            let hint = format!("{} · {turns} · {}", human::age(age), s.title);
            (s.name, hint)
        };
        sessions.map(hint).collect()
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

    #[test]
    fn a_conversation_is_opened_by_what_was_said_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let said = ["about apples", "about oranges"];
        let mut sessions = sessions(folder.path(), &said);
        let (_, turns) = sessions.open("ORANGES").unwrap();
        assert_eq!(turns[0].question, [Piece::Text("about oranges".into())]);
        sessions.renew(&[]).unwrap();
        let several = sessions.open("about").unwrap_err();
        assert!(several.contains("2 conversations mention"), "{several}");
        let none = sessions.open("pears").unwrap_err();
        assert!(none.contains("mentions \u{201c}pears\u{201d}"), "{none}");
    }

    #[test]
    fn the_conversation_itself_is_not_among_those_that_words_find() {
        let folder = tempfile::tempdir().unwrap();
        let said = ["about apples", "about oranges"];
        let mut sessions = sessions(folder.path(), &said);
        sessions.open("oranges").unwrap();
        let only = sessions.open("oranges").unwrap_err();
        assert!(only.contains("only this conversation"), "{only}");
        let (_, turns) = sessions.open("about").unwrap();
        assert_eq!(turns[0].question, [Piece::Text("about apples".into())]);
    }

    #[test]
    fn the_list_tells_age_turns_and_title() {
        let folder = tempfile::tempdir().unwrap();
        let sessions = sessions(folder.path(), &["what is it?"]);
        let list = sessions.list();
        let hint = &list[0].1;
        assert!(hint.ends_with("· 1 turn · what is it?"), "{hint}");
    }
}
