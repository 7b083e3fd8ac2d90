//! Golden screens: what a person sees, at the sizes and colours people have.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::{draw, prepare};
use crate::engine::event::{Event, Stop, TurnStats};
use crate::tui::panel::tests::fixture::{SMOL, styles, text};
use crate::tui::state::{Input, Setup, State};
use crate::tui::theme::{Depth, Theme};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (40, 10)];

fn fresh(depth: Depth) -> State {
    let theme = Theme::built_in("cachat-dark", depth).unwrap();
    let (mut state, _) = State::new(Setup {
        themes: vec![theme],
        ..Setup::default()
    });
    state.set_now(1.0, "12:04:31".into());
    state
}

fn ready(depth: Depth) -> State {
    let mut state = fresh(depth);
    let observed = SMOL.ready();
    let model = Box::new(observed.model.clone().unwrap());
    let policy = observed.policy.clone();
    tell(&mut state, Event::Ready { model, policy });
    state
}

fn tell(state: &mut State, event: Event) {
    state.update(Input::Engine(event));
}

fn press(state: &mut State, code: KeyCode) {
    state.update(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)));
}

fn type_in(state: &mut State, text: &str) {
    for c in text.chars() {
        press(state, KeyCode::Char(c));
    }
}

const ANSWER: &str = "Either party may end it with **30 days'** notice:\n\n1. by letter,\n2. or by \
    `e-mail`, which counts as received the next day.\n\n```rust\nfn notice() -> Days {\n    \
    Days(30)\n}\n```\n\n| who | how |\n|---|---|\n| tenant | letter |\n";

/// A question about a long document, answered.
fn answered(depth: Depth) -> State {
    let mut state = ready(depth);
    state.update(Input::Paste("A clause of the contract.\n".repeat(812)));
    tell(
        &mut state,
        Event::Counted {
            tag: 0,
            tokens: 7412,
        },
    );
    type_in(&mut state, "Who may end it, and when?");
    press(&mut state, KeyCode::Enter);
    let stop = Stop::Eos;
    let turn = 1;
    tell(
        &mut state,
        Event::TurnStarted {
            turn,
            prompt_tokens: 7440,
            position: 0,
        },
    );
    let round = SMOL.round(1, crate::engine::event::Trigger::Prefill, 7440);
    tell(&mut state, Event::Eviction(Box::new(round)));
    for piece in ANSWER.split_inclusive(' ') {
        tell(
            &mut state,
            Event::Text {
                turn,
                piece: piece.into(),
            },
        );
    }
    tell(
        &mut state,
        Event::TurnFinished(TurnStats {
            turn,
            stop,
            prompt_tokens: 7440,
            generated_tokens: 61,
            prefill_seconds: 9.2,
            decode_seconds: 1.0,
        }),
    );
    state.observed = SMOL.conversation();
    state.position = state.observed.picture.position;
    state
}

fn screen(state: &mut State, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    prepare(state, terminal.get_frame().area());
    terminal.draw(|frame| draw(state, frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// Every size of a state under each other.
fn golden(name: &str, state: &mut State) {
    let sheet: String = SIZES
        .iter()
        .map(|&(w, h)| format!("── {w}×{h}\n{}\n", text(&screen(state, (w, h)))))
        .collect();
    insta::assert_snapshot!(name, sheet);
}

#[test]
fn screens() {
    let mut state = fresh(Depth::True);
    let what = "SmolLM2-135M-Instruct.Q4_1.gguf from the Hub".into();
    let (done, total) = (45_300_000, Some(98_362_432));
    tell(&mut state, Event::Fetching { what, done, total });
    golden("fetching", &mut state);
    golden("welcome", &mut ready(Depth::True));
    golden("answered", &mut answered(Depth::True));

    let mut state = answered(Depth::True);
    press(&mut state, KeyCode::F(1));
    golden("help", &mut state);

    let mut state = answered(Depth::True);
    type_in(&mut state, "/p");
    press(&mut state, KeyCode::Down);
    golden("completions", &mut state);

    let mut state = answered(Depth::True);
    screen(&mut state, (80, 24));
    press(&mut state, KeyCode::PageUp);
    golden("scrolled", &mut state);

    let mut state = ready(Depth::True);
    type_in(&mut state, "and now?");
    press(&mut state, KeyCode::Enter);
    tell(
        &mut state,
        Event::TurnStarted {
            turn: 1,
            prompt_tokens: 7440,
            position: 0,
        },
    );
    tell(
        &mut state,
        Event::Prefill {
            turn: 1,
            done: 310,
            total: 500,
            tokens: 7440,
            seconds: 5.0,
        },
    );
    SMOL.prefilling(&mut state.observed, 7440, 18, 6.0);
    type_in(&mut state, "wait for me");
    press(&mut state, KeyCode::Enter);
    golden("prefill", &mut state);

    let mut state = answered(Depth::True);
    tell(
        &mut state,
        Event::Fatal("cannot read /m.gguf: no space; free some".into()),
    );
    golden("no_model", &mut state);

    for (n, name) in [
        (2, "budgets"),
        (3, "memory"),
        (4, "evictions"),
        (5, "tokens"),
        (6, "speed"),
    ] {
        let mut state = answered(Depth::True);
        press(&mut state, KeyCode::F(n));
        golden(&format!("zoomed_{name}"), &mut state);
    }
}

#[test]
fn colours_follow_the_terminal() {
    let mut out = String::new();
    for depth in [Depth::True, Depth::Ansi16, Depth::None] {
        let buf = screen(&mut answered(depth), (80, 24));
        out.push_str(&format!("── {depth:?}\n{}", styles(&buf)));
        if depth == Depth::None {
            let coloured = buf.content.iter().any(|c| {
                [c.fg, c.bg]
                    .iter()
                    .any(|c| *c != ratatui::style::Color::Reset)
            });
            assert!(!coloured, "NO_COLOR means none");
        }
    }
    insta::assert_snapshot!("colours", out);
}

#[test]
fn ascii_terminals_get_ascii() {
    let mut state = answered(Depth::None);
    state.ascii = true;
    let shown = text(&screen(&mut state, (80, 24)));
    assert!(shown.is_ascii(), "{shown}");
    insta::assert_snapshot!("ascii", shown);
}

#[test]
fn any_size_is_drawn() {
    let mut state = answered(Depth::True);
    for (w, h) in [
        (1, 1),
        (2, 2),
        (3, 1),
        (20, 5),
        (43, 11),
        (44, 12),
        (72, 12),
        (300, 80),
        (1, 60),
        (200, 2),
    ] {
        for _ in 0..2 {
            screen(&mut state, (w, h));
            press(&mut state, KeyCode::F(1));
        }
        press(&mut state, KeyCode::F(2));
        screen(&mut state, (w, h));
        press(&mut state, KeyCode::Esc);
        press(&mut state, KeyCode::Esc);
    }
}
