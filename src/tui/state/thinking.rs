//! Thoughts: whether the model has them, and whether they are shown.

use super::completion::values;
use super::slash::{Completer, Source, never};
use super::{Effect, State};
use crate::engine::event::{Command, Knows};
use crate::model::thinking::{Effort, Enable};
use crate::tui::conversation::{Entry, Level};

/// What may stand behind `/think`.
const WORDS: [(&str, &str); 6] = [
    ("on", "it thinks before it answers"),
    ("off", "it answers at once"),
    ("low", "a little"),
    ("medium", "as usual"),
    ("high", "for long"),
    ("auto", "as its makers meant it"),
];

/// Those that the model's template knows.
pub(super) static WAYS: Completer = Completer {
    source: Source::State,
    lines: |state, start| {
        let knows = state.knows_thinking();
        values(
            WORDS.into_iter().filter(|(word, _)| known(knows, word)),
            start,
        )
    },
    stands: |_, typed| typed.is_empty() || WORDS.iter().any(|(word, _)| *word == typed),
    now: never,
};

/// Whether a template has an ear for a word.
fn known(knows: Option<Knows>, word: &str) -> bool {
    let Some(knows) = knows else {
        return true;
    };
    match word {
        "on" | "off" => knows.switch,
        "auto" => true,
        _ => knows.effort,
    }
}

impl State {
    fn knows_thinking(&self) -> Option<Knows> {
        let model = self.dashboard.observed.model.as_ref();
        model.map(|model| model.thinking)
    }

    /// `/think`.
    pub(super) fn think(&mut self, argument: &str, effects: &mut Vec<Effect>) {
        let word = argument.trim().to_ascii_lowercase();
        let knows = self.knows_thinking();
        if word.is_empty() {
            return self.toast(Level::Info, self.how_it_thinks());
        }
        let said = &mut self.sampling.yours;
        match word.as_str() {
            _ if !WORDS.iter().any(|(known, _)| *known == word) => {
                return self.toast(Level::Warning, "/think on, off, low, medium, high or auto");
            }
            _ if !known(knows, &word) => {
                let why = unknown(knows.unwrap_or_default());
                return self.toast(Level::Warning, format!("/think {word}: {why}"));
            }
            "on" => said.enable_thinking = Some(Enable::On),
            "off" => said.enable_thinking = Some(Enable::Off),
            "low" => said.reasoning_effort = Some(Effort::Low),
            "medium" => said.reasoning_effort = Some(Effort::Medium),
            "high" => said.reasoning_effort = Some(Effort::High),
            _ => (said.enable_thinking, said.reasoning_effort) = (None, None),
        }
        let sampling = said.clone();
        effects.push(Effect::Engine(Command::SetSampling(sampling)));
        self.note(
            Level::Info,
            match word.as_str() {
                "on" => "the model thinks before it answers, from the next question on".to_owned(),
                "off" => "the model answers without thinking, from the next question on".to_owned(),
                "auto" => "the model thinks as its makers meant it".to_owned(),
                effort => format!("the model's effort is {effort} from the next question on"),
            },
        );
    }

    /// What is in force, and what can be said.
    fn how_it_thinks(&self) -> String {
        let thinking = self.sampling.in_force().thinking;
        match self.knows_thinking() {
            Some(knows) if !knows.switch && !knows.effort => unknown(knows),
            _ => format!(
                "thinking {} · effort {}",
                thinking.enable.name(),
                thinking.effort.name()
            ),
        }
    }

    /// Opens what was thought, of all answers, or folds it.
    pub(super) fn toggle_thoughts(&mut self) {
        let thoughts = |e: &Entry| match e {
            Entry::Answer(a) if a.thoughts.any() => Some(a.thoughts.open),
            _ => None,
        };
        let last = self.conversation.entries().rev().find_map(thoughts);
        match last {
            Some(open) => {
                self.thoughts_open = !open;
                self.conversation.show_thoughts(None, !open);
            }
            None => self.toast(Level::Info, "nothing was thought yet"),
        }
    }
}

/// Why a word is not taken.
fn unknown(knows: Knows) -> String {
    let text = match knows {
        Knows { switch: true, .. } => "this model's template knows on and off only",
        Knows { effort: true, .. } => "this model's template knows low, medium and high only",
        Knows { thoughts: true, .. } => "this model always thinks: its template cannot be told",
        _ => "this model's template knows nothing of thinking",
    };
    text.to_owned()
}
