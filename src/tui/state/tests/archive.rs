//! What is said of the archive: below answers, with a change of policy, and where it is off.

use super::*;
use crate::engine::event::{Archived, EvictionRound, LayerEviction, Mode, Trigger};

fn archive(mode: Mode) -> Event {
    Event::Archive(Box::new(Archived {
        mode,
        tokens: 1834,
        ..Archived::default()
    }))
}

fn round(trigger: Trigger, recalled_entries: usize) -> Event {
    let layer = LayerEviction {
        budgets: vec![1024; 2],
        ..LayerEviction::default()
    };
    Event::Eviction(Box::new(EvictionRound {
        trigger,
        turn: 1,
        before_entries: 2 * 7440,
        after_entries: 2048,
        freed_bytes: 0,
        recalled_entries,
        retained_mass: 0.971,
        uniform_retained_mass: 0.958,
        milliseconds: 61.0,
        layers: vec![layer],
    }))
}

fn notes(state: &State, text: &str) -> usize {
    let has = |e: &&Entry| matches!(e, Entry::Note { text: t, .. } if t.contains(text));
    state.conversation.entries().filter(has).count()
}

#[test]
fn a_follow_up_says_what_it_was_read_over() {
    let mut state = ready();
    tell(&mut state, archive(Mode::Disk));
    say(&mut state, "why?");
    tell(&mut state, started());
    let Event::TurnFinished(mut stats) = finished(Stop::Eos, 3) else {
        return;
    };
    stats.reused_tokens = 1834;
    tell(&mut state, Event::TurnFinished(stats.clone()));
    let footer = |state: &mut State| state.conversation.answer_mut().unwrap().footer.clone();
    let line = "3 tokens · 30 tok/s · read 10 in 100 ms · over 1,834 archived";
    assert_eq!(footer(&mut state).unwrap(), line);
    // Without an archive the same tokens are those before it, whatever is left of them.
    tell(&mut state, archive(Mode::Off));
    say(&mut state, "and?");
    tell(&mut state, Event::TurnFinished(stats));
    assert!(!footer(&mut state).unwrap().contains("archived"));
}

#[test]
fn a_recall_says_what_came_back() {
    let mut state = ready();
    say(&mut state, "why?");
    for event in [
        round(Trigger::Recall, 820),
        round(Trigger::Decode, 0),
        round(Trigger::Decode, 0),
        round(Trigger::Recall, 0),
    ] {
        tell(&mut state, event);
    }
    let rounds = &state.conversation.answer_mut().unwrap().rounds;
    let texts: Vec<&str> = rounds.iter().map(|did| did.text.as_str()).collect();
    let keeps = "keeps 97.1 % of the attention (uniform 95.8 %)";
    assert_eq!(
        texts,
        [
            format!("↺ 410 of 1,024 per head came back from the archive (40 %) · {keeps}"),
            format!("evicted again 7,440 → 1,024 per head · {keeps} · freed 0 B in 61 ms"),
            format!("↺ selected 1,024 of 7,440 per head, nothing had to come back · {keeps}"),
        ]
    );
}

#[test]
fn details_stand_below_the_newest_answer_or_below_all() {
    let mut state = ready();
    said(&mut state, "one", "first");
    said(&mut state, "two", "second");
    let shown = |state: &State| -> Vec<bool> {
        let details = |e: &Entry| match e {
            Entry::Answer(a) => Some(a.details),
            _ => None,
        };
        state.conversation.entries().filter_map(details).collect()
    };
    assert_eq!(shown(&state), [false, true]);
    control(&mut state, 't');
    assert_eq!(shown(&state), [true, true]);
    said(&mut state, "three", "third");
    assert_eq!(shown(&state), [true, true, true]);
    control(&mut state, 't');
    assert_eq!(shown(&state), [false, false, true]);
}

#[test]
fn a_change_of_policy_holds_at_once_where_there_is_an_archive() {
    let mut state = ready();
    let changed = || Event::PolicyChanged(PolicyInfo::default());
    tell(&mut state, archive(Mode::Memory));
    tell(&mut state, changed());
    assert_eq!(
        notes(&state, "from the next turn on"),
        1,
        "nothing was said"
    );
    let picture = crate::engine::event::CachePicture {
        position: 1834,
        ..Default::default()
    };
    state.update(Input::Picture(picture));
    tell(&mut state, changed());
    assert_eq!(notes(&state, "from now on"), 1);
    tell(&mut state, archive(Mode::Off));
    tell(&mut state, changed());
    assert_eq!(notes(&state, "from the next turn on"), 2);
}

#[test]
fn without_an_archive_what_was_evicted_is_said_to_be_gone_once() {
    let gone = "is gone for this question";
    for (mode, said_so) in [(Mode::Off, 1), (Mode::Disk, 0)] {
        let mut state = ready();
        tell(&mut state, archive(mode));
        said(&mut state, "one", "first");
        said(&mut state, "two", "second");
        assert_eq!(notes(&state, gone), 0, "nothing was evicted");
        tell(&mut state, round(Trigger::Prefill, 0));
        said(&mut state, "three", "third");
        said(&mut state, "four", "fourth");
        assert_eq!(notes(&state, gone), said_so);
    }
}
