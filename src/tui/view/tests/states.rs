//! Everything the screen can be, each as a person gets there.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::comparisons::{compared, comparing};
use super::thoughts::{thinking, thought, thought_open};
use super::{answered, fresh, press, ready, screen, tell, type_in};
use crate::engine::event::{Event, Stop, TooLong, TurnStats};
use crate::tui::panel::tests::fixture::SMOL;
use crate::tui::state::{Input, State, models};
use crate::tui::theme::Depth;

/// All of them, with their names.
pub fn all(depth: Depth) -> Vec<(&'static str, State)> {
    let mut all = vec![
        ("fetching", fetching(depth)),
        ("loading", with(fresh(depth), Event::Loading { share: 0.4 })),
        ("welcome", ready(depth)),
        ("prefill", prefill(depth)),
        ("answering", answering(depth)),
        ("stopping", pressed(answering(depth), KeyCode::Esc)),
        ("answered", answered(depth)),
        ("stopped", stopped(depth)),
        ("context_full", context_full(depth)),
        ("recalled", recalled(depth)),
        ("thinking", thinking(depth)),
        ("thought", thought(depth)),
        ("thought_open", thought_open(depth)),
        ("editing", editing(depth)),
        ("scrolled", scrolled(depth)),
        ("new_below", new_below(depth)),
        ("help", pressed(answered(depth), KeyCode::F(1))),
        ("completions", completions(depth)),
        ("completions_go_on", completions_go_on(depth)),
        ("models", picking(depth)),
        ("search", search(depth)),
        ("selected", selected(depth)),
        ("failed", failed(depth)),
        ("refused", refused(depth)),
        ("no_model", no_model(depth)),
        ("another_model", another_model(depth)),
        ("not_another_model", not_another_model(depth)),
        ("frozen", frozen(depth)),
        ("toast", toast(depth)),
        ("theme_preview", theme_preview(depth)),
        ("comparing", comparing(depth)),
        ("compared", compared(depth)),
    ];
    let names = [
        "zoomed_budgets",
        "zoomed_memory",
        "zoomed_evictions",
        "zoomed_tokens",
        "zoomed_speed",
    ];
    for (name, n) in names.into_iter().zip(2..) {
        all.push((name, pressed(answered(depth), KeyCode::F(n))));
    }
    all
}

fn with(mut state: State, event: Event) -> State {
    tell(&mut state, event);
    state
}

fn pressed(mut state: State, key: KeyCode) -> State {
    press(&mut state, key);
    state
}

fn fetching(depth: Depth) -> State {
    let what = "SmolLM2-135M-Instruct.Q4_1.gguf from the Hub".into();
    let (done, total) = (45_300_000, Some(98_362_432));
    with(fresh(depth), Event::Fetching { what, done, total })
}

/// A question whose document is being read, and another one that waits.
fn prefill(depth: Depth) -> State {
    let mut state = ready(depth);
    type_in(&mut state, "and now?");
    press(&mut state, KeyCode::Enter);
    started(&mut state, 1);
    let (turn, done, total, tokens) = (1, 310, 500, 7440);
    let seconds = 5.0;
    tell(
        &mut state,
        Event::Prefill {
            turn,
            done,
            total,
            tokens,
            seconds,
        },
    );
    SMOL.prefilling(&mut state.dashboard.observed, 7440, 18, 6.0);
    type_in(&mut state, "wait for me");
    press(&mut state, KeyCode::Enter);
    state
}

pub(super) fn started(state: &mut State, turn: u32) {
    let (prompt_tokens, position) = (7440, 0);
    tell(
        state,
        Event::TurnStarted {
            turn,
            prompt_tokens,
            position,
        },
    );
}

pub(super) fn say(state: &mut State, turn: u32, piece: &str) {
    let piece = piece.into();
    tell(state, Event::Text { turn, piece });
}

/// In the middle of a second answer.
fn answering(depth: Depth) -> State {
    let mut state = answered(depth);
    type_in(&mut state, "And the fees?");
    press(&mut state, KeyCode::Enter);
    started(&mut state, 2);
    say(
        &mut state,
        2,
        "The fees for the month that has *begun* stay",
    );
    let (turn, generated, seconds, position) = (2, 9, 0.2, 7900);
    tell(
        &mut state,
        Event::Decoded {
            turn,
            generated,
            seconds,
            position,
        },
    );
    state
}

fn stopped(depth: Depth) -> State {
    let mut state = pressed(answering(depth), KeyCode::Esc);
    let stats = TurnStats {
        turn: 2,
        stop: Stop::Interrupted,
        prompt_tokens: 24,
        reused_tokens: 0,
        recalled_entries: 0,
        generated_tokens: 9,
        thought_tokens: 0,
        prefill_seconds: 0.1,
        decode_seconds: 0.2,
        drafts: Default::default(),
    };
    tell(&mut state, Event::TurnFinished(stats));
    state
}

/// The answer ended where the context did.
fn context_full(depth: Depth) -> State {
    let mut state = answering(depth);
    let (turn, generated, seconds) = (2, 9, 0.2);
    let position = state.context().unwrap_or_default();
    tell(
        &mut state,
        Event::Decoded {
            turn,
            generated,
            seconds,
            position,
        },
    );
    let stats = TurnStats {
        turn,
        stop: Stop::Length,
        prompt_tokens: 24,
        reused_tokens: 0,
        recalled_entries: 0,
        generated_tokens: 9,
        thought_tokens: 0,
        prefill_seconds: 0.1,
        decode_seconds: 0.2,
        drafts: Default::default(),
    };
    tell(&mut state, Event::TurnFinished(stats));
    state
}

/// A second question brought back what it needs.
fn recalled(depth: Depth) -> State {
    let mut state = answered(depth);
    type_in(&mut state, "And the fees?");
    press(&mut state, KeyCode::Enter);
    started(&mut state, 2);
    let round = SMOL.recalled(2, 7531);
    let recalled_entries = round.recalled_entries;
    tell(&mut state, Event::Eviction(Box::new(round)));
    say(&mut state, 2, "They stay due for the month that has begun.");
    let stats = TurnStats {
        turn: 2,
        stop: Stop::Eos,
        prompt_tokens: 30,
        reused_tokens: 7501,
        recalled_entries,
        generated_tokens: 61,
        thought_tokens: 0,
        prefill_seconds: 0.06,
        decode_seconds: 0.62,
        drafts: Default::default(),
    };
    tell(&mut state, Event::TurnFinished(stats));
    tell(&mut state, SMOL.archived(7592));
    state
}

/// The second question is in the input; until it is sent, its answer stays.
fn editing(depth: Depth) -> State {
    let mut state = recalled(depth);
    type_in(&mut state, "/edit");
    press(&mut state, KeyCode::Enter);
    type_in(&mut state, " Who pays them?");
    state
}

fn scrolled(depth: Depth) -> State {
    let mut state = answered(depth);
    screen(&mut state, (80, 24));
    pressed(state, KeyCode::PageUp)
}

/// Scrolled up while the answer goes on.
fn new_below(depth: Depth) -> State {
    let mut state = answering(depth);
    screen(&mut state, (80, 24));
    press(&mut state, KeyCode::PageUp);
    say(&mut state, 2, " due.\n\nThe deposit is paid back.\n");
    state
}

fn completions(depth: Depth) -> State {
    let mut state = answered(depth);
    type_in(&mut state, "/p");
    pressed(state, KeyCode::Down)
}

/// More commands than there is room for; the first one is what Enter takes.
fn completions_go_on(depth: Depth) -> State {
    let mut state = answered(depth);
    type_in(&mut state, "/");
    state
}

fn picking(depth: Depth) -> State {
    let mut state = answered(depth);
    type_in(&mut state, "/model ");
    state.update(Input::Models(Box::new(models::example())));
    press(&mut state, KeyCode::Down);
    state
}

fn search(depth: Depth) -> State {
    let mut state = answered(depth);
    screen(&mut state, (80, 24));
    press(&mut state, KeyCode::F(10));
    type_in(&mut state, "notice");
    state
}

fn selected(depth: Depth) -> State {
    let mut state = answered(depth);
    screen(&mut state, (80, 24));
    let key = KeyEvent::new(KeyCode::Up, KeyModifiers::ALT);
    state.update(Input::Key(key));
    state
}

/// A question that does not fit; it is back in the input.
fn failed(depth: Depth) -> State {
    let mut state = ready(depth);
    type_in(&mut state, "What does it say?");
    press(&mut state, KeyCode::Enter);
    let message = "the conversation would take 9,000 tokens, 808 more than the model's context of \
                   8192; shorten it or use a model with a longer context";
    let message = message.into();
    with(
        state,
        Event::Failed {
            turn: None,
            message,
        },
    )
}

fn no_model(depth: Depth) -> State {
    let why = "cannot read /m.gguf: no space; free some";
    with(answered(depth), Event::Fatal(why.into()))
}

/// Another model is loaded while the one there is goes on.
fn another_model(depth: Depth) -> State {
    let mut state = answered(depth);
    type_in(&mut state, "/model qwen2.5-0.5b");
    press(&mut state, KeyCode::Enter);
    let loading = Box::new(Event::Loading { share: 0.4 });
    state.update(Input::Coming(Some(loading)));
    state
}

fn not_another_model(depth: Depth) -> State {
    let mut state = another_model(depth);
    let why = "qwen2.5-0.5b.gguf is damaged; fetch it again";
    let failed = Box::new(Event::Fatal(why.into()));
    state.update(Input::Coming(Some(failed)));
    state
}

fn frozen(depth: Depth) -> State {
    let mut state = pressed(answered(depth), KeyCode::F(7));
    state.toast = None;
    state
}

/// A contract that does not fit is back in the input, with what can be done.
fn refused(depth: Depth) -> State {
    let mut state = answered(depth);
    let text = "A clause of the contract.\n".repeat(2000);
    let file = crate::document::from_bytes("contract.txt", text.as_bytes());
    state.update(Input::Read(Box::new(file)));
    let (tag, tokens) = (1, 14_000);
    tell(&mut state, Event::Counted { tag, tokens });
    type_in(&mut state, " Who signs?");
    press(&mut state, KeyCode::Enter);
    let figures = TooLong {
        needed: 20_860,
        context: 8192,
        held: 6840,
    };
    tell(&mut state, Event::TooLong(figures));
    state
}

fn toast(depth: Depth) -> State {
    let mut state = answered(depth);
    let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    state.update(Input::Key(key));
    state
}

/// The light theme, looked at while it is being chosen.
fn theme_preview(depth: Depth) -> State {
    let mut state = answered(depth);
    type_in(&mut state, "/theme cachat-l");
    pressed(state, KeyCode::Down)
}
