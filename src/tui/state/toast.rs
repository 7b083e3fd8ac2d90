//! Lines that are said: in the conversation, or for a moment.

use super::State;
use crate::tui::conversation::{Entry, Level};
use crate::tui::text::{safe, wrap};

/// Seconds that a toast stays.
const STAYS: f64 = 4.0;

/// A line that goes away by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Toast {
    pub text: String,
    pub level: Level,
    /// On the state's clock.
    pub until: f64,
}

impl State {
    /// A line in the conversation.
    pub fn note(&mut self, level: Level, text: impl Into<String>) {
        self.conversation.push(Entry::Note {
            level,
            text: safe::visible(&text.into()).into_owned(),
        });
    }

    /// A line that goes away by itself; advice that is longer than the line stays in the conversation.
    pub fn toast(&mut self, level: Level, text: impl Into<String>) {
        let text = text.into();
        let width = usize::from(self.screen.size.0);
        if level != Level::Info && width > 0 && wrap::width(&text) + 2 > width {
            return self.note(level, text);
        }
        self.toast = Some(Toast {
            text: safe::one_line(&text),
            level,
            until: self.clock.now + STAYS,
        });
    }
}
