//! A saved conversation that `ask` goes on with. What is said is written down as it comes, as the app
//! does it.

use std::collections::VecDeque;

use crate::cli::CliError;
use crate::config::Settings;
use crate::dirs::Dirs;
use crate::engine::event::{CachePicture, Event, Message, Stop, TurnStats};
use crate::engine::watcher::Watcher;
use crate::saved::{
    Ending, Header, Piece, Record, SavedConversation, SessionError, Store, Thought, Unsaved, Writer,
};

pub(super) struct Saved {
    pub messages: Vec<Message>,
    /// When it began, RFC 3339.
    pub created: String,
    writer: Writer,
    /// The question whose answer has not begun.
    asked: Option<Vec<Piece>>,
    /// Something of the answer came.
    answered: bool,
    unsaved: Unsaved,
    /// What the disk did not take; it is tried again with what follows.
    waiting: VecDeque<Record>,
}

impl Saved {
    /// The one of this name, or of which it is the beginning; a new one where there is none.
    pub fn open(name: &str, settings: &Settings, dirs: &Dirs) -> Result<Saved, CliError> {
        let store = Store::new(&dirs.sessions);
        // By the name that it would be given, or the same command would begin another one each time.
        let name = &Store::named(name);
        let opened = match store.open(name) {
            Err(SessionError::Unknown(_)) => {
                let header = Header {
                    cachat: 1,
                    created: chrono::Local::now().to_rfc3339(),
                    model: settings.model.to_string(),
                    policy: settings.policy.to_string(),
                };
                let writer = store.create_named(name, &header)?;
                let new = SavedConversation {
                    header,
                    ..SavedConversation::default()
                };
                (new, writer)
            }
            opened => opened?,
        };
        let (mut conversation, mut writer) = opened;
        let turns = &mut conversation.turns;
        // A question at the end that was not answered before the program ended is asked no more; an answer
        // that had begun is what was said.
        let last = turns
            .iter()
            .rposition(|turn| turn.answer.is_some() || turn.end.is_some());
        let kept = last.map_or(0, |last| last + 1);
        if kept < turns.len() {
            turns.truncate(kept);
            writer.append(&Record::Truncate(2 * kept))?;
        }
        // One that others stand behind was said; the model is told an empty answer, as by the app.
        for turn in turns {
            turn.answer.get_or_insert_default();
        }
        let messages = crate::cli::sessions::messages(&conversation);
        let created = conversation.header.created;
        Ok(Saved {
            messages,
            created,
            writer,
            asked: None,
            answered: false,
            unsaved: Unsaved::default(),
            waiting: VecDeque::new(),
        })
    }

    /// A turn begins. Its question is written down with the first token of the answer: one that is
    /// stopped while it is read leaves the conversation as it was.
    pub fn ask(&mut self, question: Vec<Piece>) {
        self.asked = Some(question);
        self.answered = false;
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Text { piece, .. } => {
                self.begin();
                self.answered = true;
                let due = self.unsaved.push(piece);
                self.append(due);
            }
            Event::Decoded { .. } => self.begin(),
            _ => {}
        }
    }

    fn begin(&mut self) {
        let question = self.asked.take().map(Record::User);
        self.append(question);
    }

    /// What the disk does not take is said at the end of the turn, where it lasts so long.
    fn append(&mut self, record: Option<Record>) {
        if let Some(record) = record {
            self.waiting.push_back(record);
            let _ = self.flush();
        }
    }

    fn flush(&mut self) -> Result<(), SessionError> {
        while let Some(record) = self.waiting.front() {
            self.writer.append(record)?;
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// The turn is over, for `seconds` of which it was thought; all of it is on the disk when this
    /// returns.
    pub fn keep(&mut self, seconds: f64, stats: &TurnStats) -> Result<(), SessionError> {
        // Stopped while it was read: the conversation is as it was before.
        if stats.stop == Stop::Interrupted && stats.generated_tokens == 0 {
            self.asked = None;
            return Ok(());
        }
        self.begin();
        let rest = match self.answered {
            true => self.unsaved.rest(),
            // An answer without a word is one, too.
            false => Some(Record::Answer(String::new())),
        };
        self.append(rest);
        let tokens = stats.thought_tokens;
        self.append((tokens > 0).then_some(Record::Thought(Thought { tokens, seconds })));
        self.append(Some(Record::End(match stats.stop {
            Stop::Eos => Ending::Complete,
            Stop::Length => Ending::Length,
            Stop::Interrupted => Ending::Stopped,
        })));
        self.on_disk()
    }

    /// The turn failed; what was said of the answer stays, without an end.
    pub fn broken_off(&mut self) -> Result<(), SessionError> {
        if self.asked.take().is_some() {
            // Nothing was said.
            return Ok(());
        }
        let rest = self.unsaved.rest();
        self.append(rest);
        self.on_disk()
    }

    fn on_disk(&mut self) -> Result<(), SessionError> {
        self.flush()?;
        self.writer.sync()
    }
}

/// Follows a turn: what is said is written down before it is printed.
pub(super) struct Following<'a, W> {
    pub saved: Option<&'a mut Saved>,
    pub output: &'a mut W,
}

impl<W: Watcher> Watcher for Following<'_, W> {
    fn stopped(&self) -> bool {
        self.output.stopped()
    }

    fn event(&mut self, event: Event) {
        if let Some(saved) = &mut self.saved {
            saved.event(&event);
        }
        self.output.event(event);
    }

    fn picture(&mut self, picture: CachePicture) {
        self.output.picture(picture);
    }
}

#[cfg(test)]
mod tests;
