//! The state without a terminal or a model: what is typed and told, and what is to be done.

mod archive;
mod beginning;
mod commands;
mod comparing;
mod completing;
mod documents;
mod editing;
mod models;
mod thinking;
mod turns;
mod waiting;

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::document::{Document, DocumentError};
use crate::engine::event::{
    Command, CompareEvent, Event, InForce, ModelInfo, PartialSampling, PolicyInfo, Stop, TurnStats,
};
use crate::policy::{Budget, Preset};
use crate::saved::{Ending, Record};
use crate::tui::conversation::Entry;

fn ready() -> State {
    let (mut state, _) = State::new(Setup::default());
    tell(&mut state, ready_event());
    state
}

fn ready_event() -> Event {
    let model = ModelInfo {
        context: 8192,
        layers: 2,
        kv_heads: 2,
        ..ModelInfo::default()
    };
    Event::Ready {
        model: Box::new(model),
        policy: PolicyInfo::default(),
    }
}

fn tell(state: &mut State, event: Event) -> Vec<Effect> {
    without_records(state.update(Input::Engine(event)))
}

fn press(state: &mut State, code: KeyCode) -> Vec<Effect> {
    without_records(state.update(Input::Key(KeyEvent::new(code, KeyModifiers::NONE))))
}

fn without_records(mut effects: Vec<Effect>) -> Vec<Effect> {
    effects.retain(|e| !matches!(e, Effect::Record(_) | Effect::List(_)));
    effects
}

fn records(effects: Vec<Effect>) -> Vec<Record> {
    let record = |e| match e {
        Effect::Record(record) => Some(record),
        _ => None,
    };
    effects.into_iter().filter_map(record).collect()
}

fn control(state: &mut State, c: char) -> Vec<Effect> {
    let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
    state.update(Input::Key(key))
}

fn say(state: &mut State, text: &str) -> Vec<Effect> {
    for c in text.chars() {
        press(state, KeyCode::Char(c));
    }
    press(state, KeyCode::Enter)
}

fn ask(text: &str) -> Effect {
    Effect::Engine(Command::Ask { text: text.into() })
}

fn finished(stop: Stop, generated_tokens: usize) -> Event {
    Event::TurnFinished(TurnStats {
        turn: 1,
        stop,
        prompt_tokens: 10,
        reused_tokens: 0,
        recalled_entries: 0,
        generated_tokens,
        thought_tokens: 0,
        prefill_seconds: 0.1,
        decode_seconds: 0.1,
        drafts: Default::default(),
    })
}

fn started() -> Event {
    Event::TurnStarted {
        turn: 1,
        prompt_tokens: 10,
        position: 0,
    }
}

fn input(state: &State) -> &str {
    state.composer.buffer.text()
}

fn said(state: &mut State, question: &str, answer: &str) {
    say(state, question);
    tell(state, started());
    let piece = answer.to_owned();
    tell(state, Event::Text { turn: 1, piece });
    tell(state, finished(Stop::Eos, 3));
}

fn message(role: crate::engine::event::Role, content: &str) -> crate::engine::event::Message {
    let content = content.to_owned();
    crate::engine::event::Message { role, content }
}

/// What was said in the conversation by the app itself.
fn notes(state: &State) -> String {
    let note = |e: &Entry| match e {
        Entry::Note { text, .. } => Some(text.clone()),
        _ => None,
    };
    state.conversation.entries().filter_map(note).collect()
}
