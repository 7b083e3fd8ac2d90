//! Golden screens: what a person sees, at the sizes and colours people have.

mod mouse;
mod sheet;
mod states;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::{draw, prepare};
use crate::engine::event::{Event, Stop, TurnStats};
use crate::tui::panel::tests::fixture::{SMOL, text};
use crate::tui::state::{Input, Setup, State};
use crate::tui::theme::{Depth, Theme};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (40, 10)];

fn fresh(depth: Depth) -> State {
    let themes = ["cachat-dark", "cachat-light"];
    let (mut state, _) = State::new(Setup {
        themes: themes.map(|n| Theme::built_in(n, depth).unwrap()).to_vec(),
        ..Setup::default()
    });
    state.set_now(1.0, "12:04:31".into());
    state
}

fn ready(depth: Depth) -> State {
    let mut state = fresh(depth);
    let observed = SMOL.ready();
    let model = Box::new(observed.model.clone().unwrap());
    let policy = observed.policy;
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
    state.dashboard.observed = SMOL.conversation();
    state.activity.position = state.dashboard.observed.picture.position;
    state
}

fn screen(state: &mut State, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    prepare(state, terminal.get_frame().area());
    terminal.draw(|frame| draw(state, frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// Every state at every size: its text in true colour, and its styles in every depth, with the
/// text that is another one there. Lines styled as in an answered conversation are left out.
#[test]
fn screens() {
    let depths = [Depth::True, Depth::Ansi16, Depth::None];
    let mut states = depths.map(states::all);
    let mut base = depths.map(answered);
    for i in 0..states[0].len() {
        let name = states[0][i].0;
        let mut texts = String::new();
        let (mut styles, mut legend) = (String::new(), sheet::Legend::default());
        for size @ (w, h) in SIZES {
            let mut coloured = String::new();
            for (d, depth) in depths.into_iter().enumerate() {
                let buf = screen(&mut states[d][i].1, size);
                let drawn = text(&buf);
                styles += &format!("── {w}×{h} {depth:?}\n");
                if depth == Depth::True {
                    texts += &format!("── {w}×{h}\n{drawn}\n");
                    coloured = drawn;
                } else {
                    let pairs = coloured.lines().zip(drawn.lines()).enumerate();
                    for (row, (_, line)) in pairs.filter(|(_, (a, b))| a != b) {
                        styles += &format!("{row:>2} {line}\n");
                    }
                }
                if depth == Depth::None {
                    let mut inks = buf.content.iter().flat_map(|c| [c.fg, c.bg]);
                    assert!(inks.all(|c| c == Color::Reset), "{name} has colours");
                }
                styles += &match name {
                    "answered" => legend.styles(&buf, &buf),
                    _ => legend.styles(&buf, &screen(&mut base[d], size)),
                };
            }
        }
        insta::assert_snapshot!(name, texts);
        styles += &format!("── styles\n{}", legend.meaning());
        insta::assert_snapshot!(format!("{name}_styles"), styles);
    }
}

#[test]
fn a_comparison_stands_side_by_side_where_there_is_room() {
    let all = states::all(Depth::None);
    let (_, mut state) = all.into_iter().find(|(n, _)| *n == "compared").unwrap();
    insta::assert_snapshot!("compared_wide", text(&screen(&mut state, (160, 50))));
    // What differs stands out without colours, too.
    let buf = screen(&mut state, (160, 50));
    let reversed = |c: &&ratatui::buffer::Cell| c.modifier.contains(Modifier::REVERSED);
    let marked: String = buf
        .content
        .iter()
        .filter(reversed)
        .map(|c| c.symbol())
        .collect();
    assert!(marked.contains("the") && marked.contains("is"), "{marked}");
}

#[test]
fn ascii_terminals_get_ascii() {
    let mut state = answered(Depth::None);
    state.screen.ascii = true;
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
