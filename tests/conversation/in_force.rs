//! What the screen is told of a budget that depends on the conversation, through the engine's
//! thread.

use cachat::engine::event::{Command, Event, InForce, ModelInfo};
use cachat::engine::handle::EngineHandle;
use cachat::engine::worker::{self, Loaded, Start};

use super::*;

fn engine(budget: Budget) -> EngineHandle {
    let start = Start {
        draft: cachat::engine::drafting::Draft::default(),
        eviction: Eviction {
            budget,
            ..eviction(Preset::ADA_SNAPKV, 24, 6)
        },
        sampling: greedy(4).into(),
        system: None,
        archiving: cachat::engine::archiving::Archiving {
            mode: cachat::archive::Mode::Off,
            root: std::env::temp_dir(),
            limit: 0,
        },
    };
    let load = |_: &dyn Fn(Event)| {
        let model = model(&TinySpec::llama(), &EXACT);
        let context = model.network.description().context;
        let info = ModelInfo {
            context,
            ..ModelInfo::default()
        };
        Ok(Loaded { model, info })
    };
    worker::start(load, start).unwrap()
}

/// Everything up to the first event that is the `last` one.
fn until(engine: &mut EngineHandle, last: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut seen = Vec::new();
    loop {
        let event = engine.events.blocking_recv().expect("the engine goes on");
        seen.push(event);
        if seen.last().is_some_and(&last) {
            return seen;
        }
    }
}

/// The tokens the turn has when it is read, and what the screen was told of the budget.
fn turn(engine: &mut EngineHandle, text: &str) -> (usize, Vec<InForce>) {
    let text = text.to_owned();
    engine.commands.try_send(Command::Ask { text }).unwrap();
    let seen = until(engine, |e| matches!(e, Event::TurnFinished(_)));
    let read = seen.iter().find_map(|e| match e {
        Event::TurnStarted {
            prompt_tokens,
            position,
            ..
        } => Some(prompt_tokens + position),
        _ => None,
    });
    (read.unwrap(), told(&seen))
}

fn told(seen: &[Event]) -> Vec<InForce> {
    let told = seen.iter().filter_map(|e| match e {
        Event::Ready { policy, .. } | Event::PolicyChanged(policy) => Some(policy.in_force),
        Event::InForce(in_force) => Some(*in_force),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_share_comes_to_something_in_each_turn() {
    let half = |tokens: usize| InForce::Entries((tokens as f64 * 0.5).round() as usize);
    let mut engine = engine(Budget::Share(0.5));
    let ready = until(&mut engine, |e| matches!(e, Event::Ready { .. }));
    assert_eq!(told(&ready), [InForce::Pending]);
    let (first, was_told) = turn(&mut engine, &"a longer question ".repeat(4));
    assert_eq!(was_told, [half(first)], "once, and not for a full context");
    let (second, was_told) = turn(&mut engine, "and a second one");
    assert!(second > first);
    assert_eq!(was_told, [half(second)]);
    engine.commands.try_send(Command::Reset).unwrap();
    let reset = until(&mut engine, |e| matches!(e, Event::InForce(_)));
    assert_eq!(told(&reset), [InForce::Pending]);
}

#[test]
fn entries_are_told_at_once_and_only_once() {
    let mut engine = engine(Budget::Tokens(24));
    let ready = until(&mut engine, |e| matches!(e, Event::Ready { .. }));
    assert_eq!(told(&ready), [InForce::Entries(24)]);
    assert_eq!(turn(&mut engine, "one").1, []);
    let policy = Command::SetPolicy {
        policy: Some(Preset::FULL),
        budget: None,
    };
    engine.commands.try_send(policy).unwrap();
    let changed = until(&mut engine, |e| matches!(e, Event::PolicyChanged(_)));
    assert_eq!(told(&changed), [InForce::Unbounded]);
    assert_eq!(turn(&mut engine, "two").1, []);
}
