//! Lines that are said: in the conversation, or for a moment.

use super::State;
use crate::tui::conversation::{Entry, Level};
use crate::tui::text::safe;

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

    /// A line that goes away by itself.
    pub fn toast(&mut self, level: Level, text: impl Into<String>) {
        self.toast = Some(Toast {
            text: safe::one_line(&text.into()),
            level,
            until: self.clock.now + STAYS,
        });
    }
}
