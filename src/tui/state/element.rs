//! Pastes and files in the input, opened.

use super::{Effect, State};
use crate::tui::composer::ElementKind;
use crate::tui::conversation::Level;

/// Longer ones go into the editor, where there is room for them.
const IN_PLACE: usize = 4000;

impl State {
    /// Opens the paste or file at the caret: a short one is written out, a long one goes into the
    /// user's editor.
    pub(super) fn open_element(&mut self, effects: &mut Vec<Effect>) {
        let found = self.composer.at_caret();
        let found = found.and_then(|tag| Some((tag, self.composer.elements.by_tag(tag)?)));
        match found {
            None => self.toast(Level::Warning, "there is no paste or file at the caret"),
            Some((tag, element)) if element.chars <= IN_PLACE => {
                self.composer.write_out(tag);
                self.toast(Level::Info, "written out; Ctrl-_ puts it back together");
            }
            Some((tag, element)) => {
                effects.push(Effect::Editor(element.text.to_string()));
                self.opened = Some(tag);
            }
        }
    }

    /// What came back from the editor: an element, or the whole input.
    pub(super) fn edited(&mut self, text: &str, effects: &mut Vec<Effect>) {
        let Some(tag) = self.opened.take() else {
            let text = text.trim_end_matches('\n').to_owned();
            return self.composer.buffer.replace(text);
        };
        let Some(element) = self.composer.elements.by_tag(tag) else {
            return;
        };
        let same = element.text.trim_end() == text.trim_end();
        if same {
            return self.toast(Level::Info, "it is as it was");
        }
        let kind = match &element.kind {
            ElementKind::File(name) if !name.ends_with(", edited") => {
                ElementKind::File(format!("{name}, edited"))
            }
            kind => kind.clone(),
        };
        let text = crate::tui::text::safe::newlines(text).into_owned();
        let new = self.composer.exchange_element(tag, kind, text);
        self.count(new, effects);
    }
}
