//! `/edit`: a question is changed in the input. Until the new one is read, what was said stays as it
//! is on the disk, and comes back where it is stopped or refused.

use super::{Effect, State};
use crate::saved::Record;
use crate::tui::composer::Draft;
use crate::tui::conversation::Entry;

#[derive(Clone, Debug)]
pub(super) struct Editing {
    /// The question's entry: it and what follows give way to the new one.
    at: usize,
    /// What stood in the input.
    before: String,
}

/// What gave way to a question that is not read yet.
#[derive(Clone, Debug)]
pub(super) struct Replaced {
    entries: Vec<Entry>,
    /// What is written down once it is.
    records: Vec<Record>,
    /// By the same question.
    again: bool,
}

impl State {
    /// Takes a question into the input.
    pub(super) fn edit(&mut self, entry: Option<usize>) {
        let Some((at, raw)) = self.question(entry) else {
            return;
        };
        self.cancel_edit();
        let before = self.composer.buffer.text().to_owned();
        self.composer.replace(raw);
        self.editing = Some(Editing { at, before });
        self.selected = None;
        self.screen.enter_input();
    }

    /// The first entry that gives way when the question in the input is sent.
    pub fn editing(&self) -> Option<usize> {
        self.editing.as_ref().map(|editing| editing.at)
    }

    /// Leaves everything as it was, the input too; false where nothing is edited.
    pub(super) fn cancel_edit(&mut self) -> bool {
        let editing = self.editing.take();
        if let Some(editing) = &editing {
            self.composer.replace(editing.before.clone());
        }
        editing.is_some()
    }

    /// Something else is sent in the question's place; returns what stood in the input before.
    pub(super) fn leave_edit(&mut self) -> Option<String> {
        self.editing.take().map(|editing| editing.before)
    }

    /// What stood in the input before a question was changed there is in it again.
    pub(super) fn bring_draft(&mut self, before: Option<String>) {
        if let Some(raw) = before.filter(|raw| !raw.trim().is_empty()) {
            match &mut self.editing {
                Some(editing) => editing.before = raw,
                None => self.composer.restore(&Draft { raw }),
            }
        }
    }

    /// The input changes a question again, if that is still there.
    pub(super) fn edit_again(&mut self, editing: Option<Editing>) {
        let there = |editing: &Editing| {
            let entry = self.conversation.entry(editing.at);
            matches!(entry, Some(Entry::User { .. }))
        };
        self.editing = editing.filter(there);
    }

    /// The question is sent: what it replaces gives way.
    pub(super) fn send_edited(&mut self, effects: &mut Vec<Effect>) {
        if let Some(Editing { at, before }) = self.editing.take() {
            self.replace(at, false, effects);
            self.bring_draft(Some(before));
        }
    }

    /// The question at `at` and what follows give way to one that is asked now.
    pub(super) fn replace(&mut self, at: usize, again: bool, effects: &mut Vec<Effect>) {
        let entries = self.conversation.split_off(at);
        self.went_back(effects);
        self.replaced = Some(Replaced {
            entries,
            records: vec![Record::Truncate(self.transcript().len())],
            again,
        });
    }

    /// Writes down a question, or keeps it until it is read where it replaces another.
    pub(super) fn record(&mut self, record: Record, effects: &mut Vec<Effect>) {
        match &mut self.replaced {
            Some(replaced) => replaced.records.push(record),
            None => effects.push(Effect::Record(record)),
        }
    }

    /// The question is read: what it replaced is gone, on the disk as well.
    pub(super) fn read(&mut self, effects: &mut Vec<Effect>) {
        self.sending.asked = None;
        let records = self.replaced.take().map(|replaced| replaced.records);
        effects.extend(records.into_iter().flatten().map(Effect::Record));
    }

    /// What is asked replaces the same question.
    pub(super) fn asked_again(&self) -> bool {
        self.replaced
            .as_ref()
            .is_some_and(|replaced| replaced.again)
    }

    /// What gave way is there again, and the question is edited in the input; false where none did.
    pub(super) fn bring_replaced(&mut self, raw: &str, effects: &mut Vec<Effect>) -> bool {
        let Some(replaced) = self.replaced.take() else {
            return false;
        };
        let (at, before) = (self.conversation.len(), self.composer.buffer.text());
        let before = before.to_owned();
        for entry in replaced.entries {
            self.conversation.push(entry);
        }
        self.load(effects);
        self.composer.replace(raw.to_owned());
        self.editing = Some(Editing { at, before });
        true
    }
}
