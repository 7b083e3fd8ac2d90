//! Comparisons as they are on the screen.

use crossterm::event::KeyCode;

use super::{answered, press, screen, tell, text, type_in};
use crate::engine::compare::{CompareEvent, Past, Plan, PolicyRun};
use crate::engine::event::{Event, Stop};
use crate::tui::state::State;
use crate::tui::theme::Depth;

fn compare_started(depth: Depth) -> State {
    started_with(depth, ["full", "snapkv", "ada-snapkv"])
}

/// The first policy has no bound.
fn started_with(depth: Depth, policies: [&str; 3]) -> State {
    let mut state = answered(depth);
    type_in(&mut state, "/compare 256");
    press(&mut state, KeyCode::Enter);
    let [full, others @ ..] = policies;
    let mut policies = vec![(full.to_owned(), None)];
    policies.extend(others.map(|name| (name.to_owned(), Some(256))));
    let plan = Plan {
        question: "A clause.\nWho may end it, and when?".into(),
        policies,
        prompt_tokens: 7440,
        position: 7440,
        past: Past::Empty,
        left_out: false,
        max_tokens: 128,
    };
    tell(
        &mut state,
        Event::Compare(CompareEvent::Started(Box::new(plan))),
    );
    state
}

/// One policy's run, with the text that is the full cache's and what follows.
fn compare_run(state: &mut State, run: usize, same: &str, rest: &str) {
    let text = |piece: &str| {
        let piece = piece.to_owned();
        Event::Compare(CompareEvent::Text { run, piece })
    };
    tell(state, text(same));
    if !rest.is_empty() {
        tell(state, Event::Compare(CompareEvent::Diverged { run }));
        for piece in rest.split_inclusive(' ') {
            tell(state, text(piece));
        }
    }
    let bounded = run > 0;
    let kl: Vec<f64> = (0..40)
        .map(|i| f64::from(i * i % 17) / (200.0 * run as f64))
        .collect();
    let (policy, budget) = match run {
        0 => ("full", None),
        1 => ("snapkv", Some(256)),
        _ => ("ada-snapkv", Some(256)),
    };
    let result = Box::new(PolicyRun {
        policy: policy.into(),
        budget,
        kv_used_bytes: if bounded { 5_898_240 } else { 171_417_600 },
        kv_full_bytes: 171_417_600,
        prefill_seconds: 9.16,
        prefill_tokens_per_second: 812.0,
        decode_tokens_per_second: if bounded { 96.0 } else { 45.0 },
        generated_tokens: 41,
        stop: Stop::Eos,
        retained_mass: [1.0, 0.958, 0.971][run],
        kl_mean: bounded.then_some([0.0, 0.0714, 0.0318][run]),
        top1_agree: bounded.then_some([0.0, 0.91, 0.97][run]),
        kl: if bounded { kl } else { Vec::new() },
        first_divergence: (!rest.is_empty()).then_some(7 * run),
        same_bytes: same.len(),
        answer: format!("{same}{rest}"),
    });
    tell(
        state,
        Event::Compare(CompareEvent::Finished { run, result }),
    );
}

const FULL: &str = "Either party may end the agreement with thirty days' notice, given in writing. A \
    notice by e-mail counts as received on the next working day.";

pub fn comparing(depth: Depth) -> State {
    let mut state = compare_started(depth);
    compare_run(&mut state, 0, FULL, "");
    let (run, share) = (1, 0.43);
    tell(
        &mut state,
        Event::Compare(CompareEvent::Prefill { run, share }),
    );
    state
}

pub fn compared(depth: Depth) -> State {
    let mut state = compare_started(depth);
    compare_run(&mut state, 0, FULL, "");
    let rest = "the end of the month, if the other one agrees.\n\nThe agreement does not say how.";
    compare_run(
        &mut state,
        1,
        "Either party may end the agreement with ",
        rest,
    );
    let (same, rest) = FULL.split_at(FULL.find("counts").unwrap_or(0));
    compare_run(
        &mut state,
        2,
        same,
        &rest.replace("counts as received", "is received"),
    );
    tell(
        &mut state,
        Event::Compare(CompareEvent::Ended { stopped: false }),
    );
    press(&mut state, KeyCode::Right);
    state
}

#[test]
fn names_in_the_table_stand_apart_from_what_runs_are_at() {
    let names = ["full", "ada-worst-case", "pooled-critical"];
    let shown = text(&screen(&mut started_with(Depth::None, names), (80, 24)));
    for row in ["ada-worst-ca… waits", "pooled-criti… waits"] {
        assert!(shown.contains(row), "{shown}");
    }
}
