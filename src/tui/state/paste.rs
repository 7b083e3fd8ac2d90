//! Pastes, and files that come into the input.

use super::{Effect, State, files};
use crate::document::{Document, DocumentError};
use crate::engine::event::Command;
use crate::human;
use crate::tui::composer::{ElementKind, PASTE_LIMIT, Pasted};
use crate::tui::conversation::Level;
use crate::tui::text::safe;

impl State {
    pub(super) fn paste(&mut self, text: &str, effects: &mut Vec<Effect>) {
        if self.search.is_some() {
            return self.search_paste(text);
        }
        self.screen.enter_input();
        self.screen.help = None;
        if !self.activity.phase.busy()
            && let Some(c) = self.comparison.as_mut()
        {
            // What is pasted is to be seen.
            c.open = false;
        }
        match files::dropped(text) {
            Some(path) => {
                self.sending.reading += 1;
                effects.push(Effect::Drop {
                    path,
                    text: text.to_owned(),
                });
            }
            None => self.paste_text(text, effects),
        }
    }

    /// What was dropped into the terminal is a file, or else a text like any other.
    pub(super) fn dropped(
        &mut self,
        text: &str,
        document: Result<Document, DocumentError>,
        effects: &mut Vec<Effect>,
    ) {
        self.was_read();
        match document {
            Ok(document) => self.attach_document(document, effects),
            // A path that is no file is what was pasted.
            Err(DocumentError::Missing(_) | DocumentError::Folder(_)) => {
                if self.sending.waiting.is_some() {
                    self.composer.buffer.set_caret(usize::MAX);
                }
                self.paste_text(text, effects);
            }
            Err(error) => {
                self.sending.waiting = None;
                self.note(Level::Error, error.to_string());
            }
        }
        self.send_when_read(effects);
    }

    fn paste_text(&mut self, text: &str, effects: &mut Vec<Effect>) {
        match self.composer.paste(text) {
            Pasted::Text => {}
            Pasted::Element(tag) => self.count(tag, effects),
            Pasted::Refused(bytes) => {
                let limit = human::bytes(PASTE_LIMIT as u64);
                let size = human::bytes(bytes as u64);
                let room = match self.context() {
                    Some(context) => format!(
                        "; the model's context of {} tokens holds about {}",
                        human::thousands(context),
                        human::bytes(context as u64 * 4)
                    ),
                    None => String::new(),
                };
                self.note(
                    Level::Error,
                    format!(
                        "this paste is {size}, and at most {limit} are taken{room}. Paste the part \
                         that matters; the input is as it was."
                    ),
                );
            }
        }
    }

    pub(super) fn attach_document(&mut self, document: Document, effects: &mut Vec<Effect>) {
        let kind = ElementKind::File(safe::one_line(&document.name));
        let tag = self.composer.attach(kind, document.text);
        self.composer.elements.paged(tag, document.pages);
        self.count(tag, effects);
    }

    pub(super) fn count(&self, tag: u64, effects: &mut Vec<Effect>) {
        if let Some(element) = self.composer.elements.by_tag(tag) {
            let text = element.text.to_string();
            effects.push(Effect::Engine(Command::Count { tag, text }));
        }
    }
}
