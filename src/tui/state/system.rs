//! `/system`: the system prompt, from the next conversation on.

use super::completers::NO_SYSTEM;
use super::{Effect, State};
use crate::engine::event::Command;
use crate::tui::conversation::Level;

/// The system prompt.
#[derive(Clone, Debug, Default)]
pub struct System {
    /// Of the next conversation.
    pub next: Option<String>,
    /// Of this one.
    here: Option<String>,
    /// It was set since the start.
    set: bool,
}

impl System {
    pub(super) fn new(text: Option<String>) -> System {
        System {
            here: text.clone(),
            next: text,
            set: false,
        }
    }

    /// Another conversation begins.
    pub(super) fn renew(&mut self) {
        self.here.clone_from(&self.next);
    }

    /// What tells an engine that has just started the system prompt of this conversation, and,
    /// once that is there, of the next one.
    pub(super) fn carried(&self) -> Option<[Effect; 2]> {
        let told = |text: &Option<String>| {
            let text = text.clone().unwrap_or_default();
            Effect::Engine(Command::SetSystem(text))
        };
        self.set.then(|| [told(&self.here), told(&self.next)])
    }
}

impl State {
    /// `/system`, `/system TEXT` and `/system none`.
    pub(super) fn set_system(&mut self, argument: &str, effects: &mut Vec<Effect>) {
        let said = match argument {
            "" => match &self.system.next {
                Some(text) => format!("system prompt: {text}\n/system {NO_SYSTEM} takes it away"),
                None => "there is no system prompt; /system TEXT sets one".to_owned(),
            },
            text => {
                let text = if text == NO_SYSTEM { "" } else { text };
                self.system.next = Some(text.to_owned()).filter(|t| !t.is_empty());
                self.system.set = true;
                effects.push(Effect::Engine(Command::SetSystem(text.to_owned())));
                match text {
                    "" => "no system prompt from the next conversation on; /new begins one",
                    _ => "this system prompt holds from the next conversation on; /new begins one",
                }
                .to_owned()
            }
        };
        self.note(Level::Info, said);
    }
}
