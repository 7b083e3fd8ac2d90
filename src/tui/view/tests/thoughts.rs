//! A model that thinks before it answers, as a person sees it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::states::{say, started};
use super::{answered, press, screen, tell, type_in};
use crate::engine::event::{Event, Stop, TurnStats};
use crate::tui::golden::text;
use crate::tui::state::{Input, State};
use crate::tui::theme::Depth;

const THOUGHT: &str = "<think>\nThe user asks for the fees. The contract names them in clause 7. A fee \
    that has begun stays due, so the month counts in full. Is there an exception for the tenant";
const ANSWER: &str = "?\n</think>\n\nThe fees for the month that has *begun* stay due.";

fn tokens(state: &mut State, from: usize, pieces: &str) -> usize {
    let mut generated = from;
    for piece in pieces.split_inclusive(' ') {
        say(state, 2, piece);
        generated += 1;
        tell(
            state,
            Event::Decoded {
                turn: 2,
                generated,
                seconds: generated as f64 * 0.4,
                position: 7600 + generated,
            },
        );
    }
    generated
}

/// The model is at it.
pub fn thinking(depth: Depth) -> State {
    let mut state = answered(depth);
    type_in(&mut state, "And the fees?");
    press(&mut state, KeyCode::Enter);
    started(&mut state, 2);
    tokens(&mut state, 0, THOUGHT);
    state
}

/// And has answered.
pub fn thought(depth: Depth) -> State {
    let mut state = thinking(depth);
    let generated_tokens = tokens(&mut state, 31, ANSWER);
    let stats = TurnStats {
        turn: 2,
        stop: Stop::Eos,
        prompt_tokens: 24,
        reused_tokens: 0,
        recalled_entries: 0,
        generated_tokens,
        thought_tokens: 31,
        prefill_seconds: 0.1,
        decode_seconds: 16.0,
        drafts: Default::default(),
    };
    tell(&mut state, Event::TurnFinished(stats));
    state
}

/// What was thought is looked at.
pub fn thought_open(depth: Depth) -> State {
    let mut state = thought(depth);
    toggle(&mut state);
    state
}

fn toggle(state: &mut State) {
    let key = KeyEvent::new(KeyCode::Char('r'), KeyModifiers::CONTROL);
    state.update(Input::Key(key));
}

/// Whatever was drawn before, a screen is as if it had been drawn only now.
#[test]
fn a_thought_that_grows_looks_like_one_that_was_there_at_once() {
    let size = (100, 40);
    for open in [false, true] {
        let mut growing = answered(Depth::True);
        type_in(&mut growing, "And the fees?");
        press(&mut growing, KeyCode::Enter);
        started(&mut growing, 2);
        let long = format!("{THOUGHT}{ANSWER}\n\nAnd so on.\n\n1. One\n2. Two\n\nThe end.");
        let mut generated = 0;
        for (i, piece) in long.split_inclusive(' ').enumerate() {
            generated = tokens(&mut growing, generated, piece);
            screen(&mut growing, size);
            if open && i == 9 {
                toggle(&mut growing);
            }
            let mut fresh = growing.clone();
            fresh.conversation.layout(1, 1, &Default::default());
            assert_eq!(
                text(&screen(&mut growing, size)),
                text(&screen(&mut fresh, size)),
                "after {piece:?}"
            );
        }
    }
}

/// Nothing that a model thinks is obeyed by a terminal.
#[test]
fn thoughts_are_made_safe() {
    let mut state = answered(Depth::True);
    type_in(&mut state, "And?");
    press(&mut state, KeyCode::Enter);
    started(&mut state, 2);
    tokens(&mut state, 0, "<think>a\x1b]0;x\x07b\u{202e}c </think>d");
    toggle(&mut state);
    for size in [(100, 40), (40, 10), (9, 5)] {
        let shown = screen(&mut state, size);
        let harmless = |c: char| c == '\n' || crate::unseen::harmless(c);
        assert!(text(&shown).chars().all(harmless), "{}", text(&shown));
    }
    assert!(text(&screen(&mut state, (100, 40))).contains("a␛]0;x^Gb<U+202E>c"));
}
