//! What is said is written down as it comes; what the disk does not take is tried again, and before
//! the app ends.

use std::time::{Duration, Instant};

use super::{Done, Driver};
use crate::engine::event::Event;
use crate::saved::Record;
use crate::tui::state::{Effect, Input};

/// How often it is tried again.
const AGAIN: Duration = Duration::from_secs(1);

impl Driver {
    /// Writes a record; the end of an answer is to be on the disk, whatever happens next.
    pub(super) fn record(&mut self, record: Record) -> std::io::Result<()> {
        let end = matches!(record, Record::End(_));
        self.sessions.append(record);
        self.tell_trouble();
        match end {
            true => self.sync(),
            false => Ok(()),
        }
    }

    pub(super) fn new_session(&mut self, records: Vec<Record>) {
        self.sessions.renew(records);
        self.tell_trouble();
    }

    /// It may take a while, and the screen does not wait for it.
    fn sync(&self) -> std::io::Result<()> {
        match self.sessions.syncing() {
            Some(sync) => self.background(move || Done::Synced(sync())),
            None => Ok(()),
        }
    }

    pub(super) fn synced(&mut self, done: Result<(), crate::saved::SessionError>) {
        if let Err(error) = done {
            self.sessions.not_synced(&error);
        }
        self.tell_trouble();
    }

    /// Tries what waits, where it is time to.
    pub(super) fn save_again(&mut self) {
        if self.sessions.trouble().is_none() || Instant::now() < self.retry {
            return;
        }
        self.sessions.flush();
        if self.sessions.trouble().is_none()
            && let Some(sync) = self.sessions.syncing()
            && let Err(error) = sync()
        {
            self.sessions.not_synced(&error);
        }
        self.tell_trouble();
    }

    fn tell_trouble(&mut self) {
        let trouble = self.sessions.trouble().map(str::to_owned);
        if trouble.is_some() {
            self.retry = Instant::now() + AGAIN;
        }
        if trouble.is_some() != self.state.not_saved.is_some() {
            self.tell(Input::NotSaved(trouble));
        }
    }

    /// Writes what is not written yet, the end of a running answer too. Says why it could not.
    pub(super) fn leave(&mut self) -> Option<String> {
        while let Ok(event) = self.engine.events.try_recv() {
            if matches!(event, Event::Text { .. }) {
                let _ = self
                    .state
                    .update(Input::Engine(event))
                    .into_iter()
                    .try_for_each(|e| self.perform(e));
            }
        }
        for effect in self.state.last_words() {
            if let Effect::Record(record) = effect {
                self.sessions.append(record);
            }
        }
        self.sessions.flush();
        let synced = self.sessions.syncing().map(|sync| sync());
        let trouble = self.sessions.trouble().map(str::to_owned);
        trouble.or_else(|| Some(synced?.err()?.to_string()))
    }
}
