//! A frame of the whole app, 160×50 with the panels open over a conversation of 100,000 tokens,
//! for each token of an answer that has grown to the given length: the lines of a kind are equal.

use std::hint::black_box;
use std::time::Duration;

use cachat::engine::event::{CachePicture, Event, InForce, ModelInfo, PolicyInfo, Stop, TurnStats};
use cachat::tui::state::{Input, Setup, State};
use cachat::tui::theme::{Depth, Theme};
use cachat::tui::view;
use criterion::{Criterion, criterion_group, criterion_main};
use crossterm::event::KeyCode;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

const SIZE: (u16, u16) = (160, 50);
/// Layers × KV heads.
const SHAPES: [(usize, usize); 2] = [(30, 3), (32, 8)];
const TURNS: u32 = 100;

/// What answers are made of, each token about four bytes: the start, then this again and again.
const KINDS: [(&str, &str, &[&str]); 6] = [
    (
        "prose",
        "",
        &[
            "The ", "cache", " keeps ", "**what**", " is ", "read", " again", ",\n", "and ",
            "`drops`", " the ", "rest", ".\n\n",
        ],
    ),
    (
        "open code",
        "```rust\n",
        &["let ", "x", " = ", "f(", "12", ");", "\n"],
    ),
    ("open list", "", &["- ", "one ", "item ", "more", "\n"]),
    (
        "open nested list",
        "1. first\n",
        &["   - ", "one ", "**item**", " more", "\n"],
    ),
    (
        "open table",
        "| a | b |\n|---|---|\n",
        &["| ", "one ", "cell", " | ", "two ", "more", " |\n"],
    ),
    (
        "open quote",
        "> ",
        &["one ", "word ", "more", ".\n", ">\n", "> "],
    ),
];

fn tell(state: &mut State, event: Event) {
    black_box(state.update(Input::Engine(event)));
}

fn say(state: &mut State, turn: u32, piece: &str) {
    let piece = piece.into();
    tell(state, Event::Text { turn, piece });
}

fn begin(state: &mut State, turn: u32) {
    for key in [KeyCode::Char('q'), KeyCode::Enter] {
        state.update(Input::Key(key.into()));
    }
    let (prompt_tokens, position) = (16, 0);
    tell(
        state,
        Event::TurnStarted {
            turn,
            prompt_tokens,
            position,
        },
    );
}

/// A conversation of 100 turns of 1,000 tokens, and the answer that is being written.
fn conversation((layers, heads): (usize, usize)) -> State {
    let themes = vec![Theme::built_in("cachat-dark", Depth::True).expect("built in")];
    let (mut state, _) = State::new(Setup {
        themes,
        ..Setup::default()
    });
    let model = Box::new(ModelInfo {
        layers,
        heads: heads * 3,
        kv_heads: heads,
        head_dim: 64,
        context: 131_072,
        ..ModelInfo::default()
    });
    let policy = PolicyInfo {
        in_force: InForce::Entries(1024),
        window: 32,
        slack: 128,
        ..PolicyInfo::default()
    };
    tell(&mut state, Event::Ready { model, policy });
    let text = KINDS[0].2.concat();
    for turn in 1..=TURNS {
        begin(&mut state, turn);
        say(&mut state, turn, &text.repeat(4000 / text.len()));
        let stats = TurnStats {
            turn,
            stop: Stop::Eos,
            prompt_tokens: 16,
            reused_tokens: 0,
            recalled_entries: 0,
            generated_tokens: 1000,
            thought_tokens: 0,
            prefill_seconds: 0.1,
            decode_seconds: 5.0,
            drafts: Default::default(),
        };
        tell(&mut state, Event::TurnFinished(stats));
    }
    begin(&mut state, TURNS + 1);
    let entries = state.conversation.entries().count();
    assert!(entries > 2 * TURNS as usize, "the turns are on the screen");
    let lens = (0..layers).map(|l| (0..heads).map(move |h| 700 + (l * 97 + h * 311) as u32 % 600));
    let entries = (layers * heads * 1024) as u64;
    state.update(Input::Picture(CachePicture {
        lens: lens.map(Iterator::collect).collect(),
        used_bytes: entries * 256,
        allocated_bytes: entries * 272,
        full_bytes: entries * 25_600,
        position: 100_000,
        holders: (0..100_000).map(|i| (i % 90) as u16).collect(),
        ..CachePicture::default()
    }));
    tell(&mut state, Event::Tokens(vec![" word".into(); 100_000]));
    state
}

fn frame(c: &mut Criterion) {
    let mut terminal = Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).expect("in memory");
    for shape in SHAPES {
        let before = conversation(shape);
        for (kind, start, pieces) in KINDS {
            let mut group = c.benchmark_group(format!("{}x{}, {kind}", shape.0, shape.1));
            group.sample_size(20);
            group.warm_up_time(Duration::from_millis(500));
            group.measurement_time(Duration::from_secs(2));
            for tokens in [100, 50_000] {
                let mut state = before.clone();
                say(&mut state, TURNS + 1, start);
                let mut endless = pieces.iter().cycle();
                let answer: String = endless.by_ref().take(tokens).copied().collect();
                say(&mut state, TURNS + 1, &answer);
                group.bench_function(format!("{tokens} tokens"), |b| {
                    b.iter(|| {
                        say(&mut state, TURNS + 1, endless.next().expect("endless"));
                        view::prepare(&mut state, terminal.get_frame().area());
                        terminal
                            .draw(|frame| view::draw(&state, frame))
                            .expect("in memory");
                    });
                });
            }
            group.finish();
        }
    }
}

/// The first frame after the window became one column narrower or wider, at the end of the
/// conversation and in its middle.
fn resize(c: &mut Criterion) {
    let mut state = conversation(SHAPES[0]);
    for place in ["at the end", "in the middle"] {
        let mut narrow = false;
        c.bench_function(&format!("resize {place}"), |b| {
            b.iter(|| {
                narrow = !narrow;
                let width = SIZE.0 - u16::from(narrow);
                let mut terminal = Terminal::new(TestBackend::new(width, SIZE.1)).expect("memory");
                view::prepare(&mut state, terminal.get_frame().area());
                terminal
                    .draw(|frame| view::draw(&state, frame))
                    .expect("in memory");
            });
        });
        while state.conversation.pending() {
            view::prepare(&mut state, ratatui::layout::Rect::new(0, 0, SIZE.0, SIZE.1));
        }
        state.conversation.scroll.by(-1000);
    }
}

criterion_group!(benches, frame, resize);
criterion_main!(benches);
