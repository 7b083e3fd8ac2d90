//! The session that is being written, for the driver.

use crate::session::{Header, Record, Store, Turn, Writer};

use super::human;

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
    pub fn open(&mut self, name: &str) -> Result<(String, Vec<Turn>), String> {
        // The one that is open would be in use.
        if self.writer.as_ref().is_some_and(|w| w.name == name) {
            return Err(format!("{name} is this conversation"));
        }
        let (conversation, writer) = self.store.open(name).map_err(|e| e.to_string())?;
        let name = writer.name.clone();
        (self.writer, self.broken) = (Some(writer), false);
        Ok((name, conversation.turns))
    }

    /// Names, each with its title and age.
    pub fn list(&self) -> Vec<(String, String)> {
        let sessions = self.store.list("").into_iter().take(200);
        let hint = |s: crate::session::Summary| {
            let age = s.modified.elapsed().map(|d| d.as_secs_f64()).unwrap_or(0.0);
            let hint = format!("{} · {}", human::age(age), s.title);
            (s.name, hint)
        };
        sessions.map(hint).collect()
    }

    fn create(&self) -> Result<Writer, crate::session::SessionError> {
        self.store.create(&Header {
            cachat: 1,
            created: chrono::Local::now().to_rfc3339(),
            model: self.model.clone(),
            policy: self.policy.clone(),
        })
    }
}
