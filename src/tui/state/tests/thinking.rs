//! Thoughts: told apart, folded, kept, and left out of what is given away.

use super::*;
use crate::engine::event::Knows;
use crate::model::thinking::{Effort, Enable};
use crate::saved::Thought;

const RAW: &str = "<think>\nso it is\n</think>\n\nYes, it is.";

fn thought(state: &mut State, question: &str) -> Vec<Effect> {
    say(state, question);
    tell(state, started());
    let mut effects = Vec::new();
    for (i, piece) in RAW.split_inclusive(' ').enumerate() {
        let piece = piece.to_owned();
        effects.extend(state.update(Input::Engine(Event::Text { turn: 1, piece })));
        effects.extend(state.update(Input::Engine(Event::Decoded {
            turn: 1,
            generated: i + 1,
            seconds: 0.5 * (i + 1) as f64,
            position: 20 + i,
        })));
    }
    effects.extend(state.update(Input::Engine(finished(Stop::Eos, 5))));
    effects
}

fn last(state: &mut State) -> crate::tui::conversation::Answer {
    state.conversation.answer_mut().unwrap().clone()
}

fn copied(effects: Vec<Effect>) -> String {
    let text = |e| match e {
        Effect::Copy(text) => Some(text),
        _ => None,
    };
    effects.into_iter().find_map(text).unwrap()
}

fn saved(effects: Vec<Effect>) -> String {
    let text = |e| match e {
        Effect::Save { text, .. } => Some(text),
        _ => None,
    };
    effects.into_iter().find_map(text).unwrap()
}

#[test]
fn a_thought_stands_apart_and_is_given_away_only_where_asked_for() {
    let mut state = ready();
    let effects = thought(&mut state, "is it?");
    let answer = last(&mut state);
    assert_eq!(answer.text.source(), "Yes, it is.");
    assert_eq!(answer.thoughts.text.trim(), "so it is");
    assert_eq!(answer.thoughts.took.tokens, 2);
    assert_eq!(answer.raw, RAW);
    // What is written down is what the model wrote, and what it took.
    let records = records(effects);
    let written: String = records
        .iter()
        .filter_map(|r| match r {
            Record::Answer(piece) => Some(piece.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(written, RAW);
    assert!(matches!(
        records[..],
        [.., Record::Thought(_), Record::End(_)]
    ));
    assert_eq!(
        state.transcript()[1].content,
        RAW,
        "the model gets it as it was"
    );

    assert_eq!(copied(say(&mut state, "/copy")), "Yes, it is.");
    assert_eq!(copied(say(&mut state, "/copy thoughts")), "so it is");
    let all = "## You\n\nis it?\n\n## Cachat\n\nYes, it is.\n\n";
    assert_eq!(copied(say(&mut state, "/copy all")), all);
    assert_eq!(saved(say(&mut state, "/save a.md")), all);
    let quoted = "## You\n\nis it?\n\n## Cachat\n\n> so it is\n\nYes, it is.\n\n";
    assert_eq!(saved(say(&mut state, "/save --thoughts a.md")), quoted);
    let json = saved(say(&mut state, "/export a.json"));
    assert!(
        !json.contains("so it is") && json.contains("\"Yes, it is.\""),
        "{json}"
    );
    let json = saved(say(&mut state, "/export --thoughts a.json"));
    assert!(json.contains("\"thoughts\": \"so it is\""), "{json}");
}

#[test]
fn thoughts_open_and_fold_on_a_key() {
    let mut state = ready();
    control(&mut state, 'r');
    assert!(
        state
            .toast
            .take()
            .unwrap()
            .text
            .contains("nothing was thought")
    );
    thought(&mut state, "is it?");
    thought(&mut state, "and that?");
    let open = |state: &State| -> Vec<bool> {
        let answers = state.conversation.entries().filter_map(|e| match e {
            Entry::Answer(a) => Some(a.thoughts.open),
            _ => None,
        });
        answers.collect()
    };
    assert_eq!(open(&state), [false, false]);
    control(&mut state, 'r');
    assert_eq!(open(&state), [true, true]);
    thought(&mut state, "and that too?");
    assert_eq!(open(&state), [true, true, true], "it stays so");
    control(&mut state, 'r');
    assert_eq!(open(&state), [false, false, false]);
    // One alone.
    state.update(Input::Key(KeyEvent::new(KeyCode::Up, KeyModifiers::ALT)));
    press(&mut state, KeyCode::Char('t'));
    assert_eq!(open(&state), [false, false, true]);
}

#[test]
fn what_was_thought_comes_back() {
    let turn = |answer: &str, thought| crate::saved::SavedTurn {
        question: vec![crate::saved::Piece::Text("is it?".into())],
        answer: Some(answer.into()),
        thought,
        end: Some(Ending::Complete),
    };
    let took = Thought {
        tokens: 384,
        seconds: 12.0,
    };
    let (mut state, _) = State::new(Setup {
        turns: vec![turn("No.", None), turn(RAW, Some(took))],
        ..Setup::default()
    });
    let answer = last(&mut state);
    assert_eq!(answer.text.source(), "Yes, it is.");
    assert_eq!((answer.raw.as_str(), answer.thoughts.took), (RAW, took));
    let effects = say(&mut state, "/branch");
    let copied = effects.into_iter().find_map(|e| match e {
        Effect::NewSession(records) => Some(records),
        _ => None,
    });
    assert!(copied.unwrap().contains(&Record::Thought(took)));
}

#[test]
fn a_mark_that_a_stop_cut_is_whole_again_where_it_goes_on() {
    let mut state = ready();
    say(&mut state, "is it?");
    tell(&mut state, started());
    let piece = |state: &mut State, text: &str| {
        let piece = text.to_owned();
        tell(state, Event::Text { turn: 1, piece });
    };
    piece(&mut state, "<think>so</thi");
    tell(&mut state, finished(Stop::Interrupted, 3));
    let answer = last(&mut state);
    assert_eq!(answer.thoughts.text, "so</thi", "nothing is hidden");
    state.conversation.answer_mut().unwrap().pause();
    assert_eq!(last(&mut state).thoughts.text, "so</thi", "once");
    assert!(answer.thoughts.unfinished);
    control(&mut state, 'o');
    piece(&mut state, "nk>yes");
    tell(&mut state, finished(Stop::Eos, 2));
    let answer = last(&mut state);
    assert_eq!(answer.thoughts.text.trim(), "so");
    assert_eq!(answer.text.source(), "yes");
    assert_eq!(answer.raw, "<think>so</think>yes");
}

#[test]
fn think_says_what_the_template_knows() {
    let mut state = ready();
    let knows = |state: &mut State, knows: Knows| {
        let mut model = state.dashboard.observed.model.clone().unwrap();
        model.thinking = knows;
        state.dashboard.observed.model = Some(model);
    };
    let warned = |state: &mut State, what: &str| {
        assert_eq!(say(state, what), []);
        state.toast.take().unwrap().text
    };
    assert!(warned(&mut state, "/think on").contains("knows nothing of thinking"));
    assert!(warned(&mut state, "/think").contains("knows nothing of thinking"));
    assert!(warned(&mut state, "/think hard").contains("on, off, low"));
    knows(
        &mut state,
        Knows {
            thoughts: true,
            switch: true,
            effort: false,
        },
    );
    assert!(warned(&mut state, "/think low").contains("on and off only"));
    let set = |change: fn(&mut PartialSampling)| {
        let mut said = PartialSampling::default();
        change(&mut said);
        Effect::Engine(Command::SetSampling(said))
    };
    assert_eq!(
        say(&mut state, "/think off"),
        [set(|s| s.enable_thinking = Some(Enable::Off))]
    );
    assert!(notes(&state).contains("without thinking"));
    assert_eq!(say(&mut state, "/think auto"), [set(|_| {})]);
    knows(
        &mut state,
        Knows {
            thoughts: true,
            switch: false,
            effort: true,
        },
    );
    assert!(warned(&mut state, "/think on").contains("low, medium and high only"));
    assert_eq!(
        say(&mut state, "/think high"),
        [set(|s| s.reasoning_effort = Some(Effort::High))]
    );
}
