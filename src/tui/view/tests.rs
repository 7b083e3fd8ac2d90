//! Golden screens: what a person sees, at the sizes and colours people have.

mod comparisons;
mod mouse;
mod scrolling;
mod searching;
mod states;
mod thoughts;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::{draw, prepare};
use crate::engine::event::{Drafts, Event, Stop, TurnStats};
use crate::tui::golden::{DEPTHS, Picture, Sheet, text};
use crate::tui::panel::tests::fixture::SMOL;
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
    tell(&mut state, SMOL.archived(0));
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
            reused_tokens: 0,
            recalled_entries: 0,
            generated_tokens: 61,
            thought_tokens: 0,
            prefill_seconds: 9.2,
            decode_seconds: 1.0,
            drafts: Default::default(),
        }),
    );
    tell(&mut state, SMOL.archived(7501));
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

/// A state, got to in every depth.
fn picture(states: [&mut State; 3], size: (u16, u16)) -> Picture {
    states.map(|state| screen(state, size))
}

/// Every state at every size and depth. What the same lines of an answered
/// conversation are, with fewer colours and in style, is left out.
#[test]
fn screens() {
    let [full, sixteen, none] = DEPTHS.map(|depth| {
        let mut states = states::all(depth);
        // The others' letters are told with it.
        states.sort_by_key(|(name, _)| *name != "answered");
        states
    });
    let mut base = DEPTHS.map(answered);
    let mut sheet = Sheet::default();
    for ((mut full, mut sixteen), mut none) in full.into_iter().zip(sixteen).zip(none) {
        let name = full.0;
        for size @ (w, h) in SIZES {
            let drawn = picture([&mut full.1, &mut sixteen.1, &mut none.1], size);
            let answered = picture(base.each_mut(), size);
            let mut inks = drawn[2].content.iter().flat_map(|c| [c.fg, c.bg]);
            assert!(inks.all(|c| c == Color::Reset), "{name} has colours");
            let base = (name != "answered").then_some(&answered);
            sheet.text(&format!("{name} {w}×{h}"), "", &drawn, base);
            sheet.styles(&drawn, base);
        }
        insta::assert_snapshot!(name, sheet.finish());
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
fn the_footer_says_how_many_tokens_a_step_brings() {
    let mut state = answered(Depth::None);
    let footer = |state: &mut State| text(&screen(state, (200, 40))).contains("tokens a step");
    let told = |steps, drafted, accepted| Event::Drafted {
        turn: 1,
        drafts: Drafts {
            steps,
            drafted,
            accepted,
        },
    };
    assert!(!footer(&mut state));
    tell(&mut state, told(10, 20, 13));
    assert!(text(&screen(&mut state, (200, 40))).contains("2.3 tokens a step"));
    // As many as without drafts.
    tell(&mut state, told(100, 20, 1));
    assert!(!footer(&mut state));
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

#[test]
fn the_first_screen_is_said_in_whole_words_where_it_is_narrow() {
    let welcome = |size| {
        let mut state = ready(Depth::None);
        // Its panels have words of their own.
        state.screen.panels_open = false;
        text(&screen(&mut state, size))
    };
    for size in [(48, 24), (44, 14), (40, 12), (34, 14)] {
        let shown = welcome(size);
        let edge = usize::from(size.0) - 2;
        for part in ["cache work", "all keys", "models", "/ for commands"] {
            assert!(shown.contains(part), "{part} at {size:?}:\n{shown}");
        }
        let rows = shown
            .lines()
            .filter(|row| row.contains("paste") || row.contains("Tab"));
        for row in rows {
            assert!(
                row.trim_end_matches(['│', ' ']).chars().count() <= edge,
                "{row}"
            );
        }
    }
    assert!(
        welcome((48, 24)).contains("models: what is here"),
        "{}",
        welcome((48, 24))
    );
}
