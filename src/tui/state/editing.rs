//! `/edit`: a question is changed in the input. Until it is sent, what was said stays as it is, on
//! the screen, on the disk and in the engine.

use super::{Effect, State};
use crate::tui::composer::Draft;

#[derive(Clone, Debug)]
pub(super) struct Editing {
    /// The question's entry: it and what follows give way to the new one.
    at: usize,
    /// What stood in the input.
    before: String,
}

impl State {
    /// Takes a question into the input.
    pub(super) fn edit(&mut self, entry: Option<usize>) {
        let Some((at, raw)) = self.question(entry) else {
            return;
        };
        self.cancel_edit();
        let before = self.composer.buffer.text().to_owned();
        self.composer.restore(&Draft { raw });
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
            self.composer.buffer.replace(editing.before.clone());
        }
        editing.is_some()
    }

    /// The question is sent: what it replaces is forgotten.
    pub(super) fn send_edited(&mut self, effects: &mut Vec<Effect>) {
        if let Some(editing) = self.editing.take() {
            self.cut(editing.at, effects);
        }
    }
}
