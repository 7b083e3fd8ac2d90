//! `/edit`: nothing is forgotten before the changed question is sent.

use super::*;
use crate::engine::event::Role::{Assistant, User};

fn two_turns() -> State {
    let mut state = ready();
    said(&mut state, "one", "first \x1b answer");
    said(&mut state, "two", "second");
    state
}

fn type_text(state: &mut State, text: &str) {
    for c in text.chars() {
        press(state, KeyCode::Char(c));
    }
}

fn enter(state: &mut State, text: &str) -> Vec<Effect> {
    type_text(state, text);
    let key = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
    state.update(Input::Key(key))
}

fn first_words() -> Event {
    Event::Text {
        turn: 1,
        piece: "new".into(),
    }
}

/// Picks a message `up` messages above the end and edits it.
fn edit(state: &mut State, up: usize) {
    for _ in 0..up {
        let key = KeyEvent::new(KeyCode::Up, KeyModifiers::ALT);
        state.update(Input::Key(key));
    }
    assert_eq!(press(state, KeyCode::Char('e')), []);
}

#[test]
fn a_question_is_edited_and_what_followed_is_forgotten_when_it_is_sent() {
    let mut state = two_turns();
    let all = state.transcript();
    assert_eq!(enter(&mut state, "/edit"), [], "nothing is told to anyone");
    assert_eq!(input(&state), "two");
    assert_eq!(state.editing(), Some(2));
    assert_eq!(state.transcript(), all);
    let before = vec![
        message(User, "one"),
        message(Assistant, "first \x1b answer"),
    ];
    let effects = enter(&mut state, "!");
    assert_eq!(effects[0], Effect::Engine(Command::Load(before)));
    // What was said stays on the disk until the new question is read.
    assert_eq!(effects[1..], [ask("two!")]);
    assert_eq!(state.editing(), None);
    let written = records(state.update(Input::Engine(first_words())));
    assert_eq!(written[0], Record::Truncate(2));
    assert!(matches!(&written[1], Record::User(_)));
    assert_eq!(
        state.transcript().len(),
        4,
        "the new question and its answer"
    );
}

#[test]
fn escape_leaves_everything_as_it_was() {
    let mut state = two_turns();
    let all = state.transcript();
    enter(&mut state, "/edit");
    press(&mut state, KeyCode::Char('!'));
    assert_eq!(press(&mut state, KeyCode::Esc), []);
    assert_eq!((input(&state), state.editing()), ("", None));
    assert_eq!(state.transcript(), all);
    // The next question follows what was said.
    assert_eq!(say(&mut state, "three"), [ask("three")]);
}

#[test]
fn what_was_being_written_comes_back() {
    let mut state = two_turns();
    type_text(&mut state, "a draft");
    edit(&mut state, 4);
    assert_eq!(state.editing(), Some(0));
    assert!(input(&state).starts_with("one"));
    // Another one is picked instead.
    edit(&mut state, 1);
    assert_eq!(state.editing(), Some(2));
    assert!(input(&state).starts_with("two") && !input(&state).contains("one"));
    press(&mut state, KeyCode::Esc);
    assert_eq!(input(&state), "a draft");
}

#[test]
fn a_command_in_its_place_ends_the_editing() {
    let mut state = two_turns();
    enter(&mut state, "/edit");
    control(&mut state, 'u');
    let effects = say(&mut state, "/retry");
    assert_eq!(state.editing(), None);
    let load = vec![
        message(User, "one"),
        message(Assistant, "first \x1b answer"),
    ];
    assert_eq!(effects[0], Effect::Engine(Command::Load(load)));
    assert_eq!(effects[2], ask("two"));
}

/// Nothing of the new answer is there yet: what it was to replace is, everywhere.
#[test]
fn a_question_that_is_stopped_while_it_is_read_replaces_nothing() {
    let mut state = two_turns();
    let all = state.transcript();
    let load = |all: &[_]| Effect::Engine(Command::Load(all.to_vec()));
    // Asked again, of the first question.
    for _ in 0..4 {
        let key = KeyEvent::new(KeyCode::Up, KeyModifiers::ALT);
        state.update(Input::Key(key));
    }
    press(&mut state, KeyCode::Char('r'));
    tell(&mut state, started());
    press(&mut state, KeyCode::Esc);
    let effects = state.update(Input::Engine(finished(Stop::Interrupted, 0)));
    assert_eq!(effects, [load(&all)], "and nothing is written down");
    assert_eq!(state.transcript(), all);
    assert_eq!((input(&state), state.editing()), ("", None));
    // Changed: the change is there to be sent again, or to be left.
    enter(&mut state, "/edit");
    enter(&mut state, "!");
    tell(&mut state, started());
    press(&mut state, KeyCode::Esc);
    let effects = state.update(Input::Engine(finished(Stop::Interrupted, 0)));
    assert_eq!(effects, [load(&all)]);
    assert_eq!(state.transcript(), all);
    let question = state.editing().and_then(|at| state.conversation.entry(at));
    assert!(matches!(question, Some(Entry::User { raw, .. }) if raw == "two"));
    assert_eq!(input(&state), "two!");
    press(&mut state, KeyCode::Esc);
    assert_eq!((input(&state), state.editing()), ("", None));
    // One that fails is no other.
    let effects = say(&mut state, "/retry");
    assert_eq!(effects.last(), Some(&ask("two")));
    let message = "no memory".into();
    tell(
        &mut state,
        Event::Failed {
            turn: Some(1),
            message,
        },
    );
    assert_eq!(state.transcript(), all);
    assert_eq!(input(&state), "two", "it can be changed");
}

#[test]
fn what_was_being_written_comes_back_behind_the_changed_question_too() {
    let mut state = two_turns();
    type_text(&mut state, "a draft");
    edit(&mut state, 1);
    assert!(input(&state).starts_with("two"));
    assert_eq!(enter(&mut state, "!").last(), Some(&ask("two!")));
    assert_eq!(input(&state), "a draft");
    let mut state = two_turns();
    type_text(&mut state, "a draft");
    edit(&mut state, 1);
    control(&mut state, 'u');
    say(&mut state, "/budget 300");
    assert_eq!((input(&state), state.editing()), ("a draft", None));
}

#[test]
fn ctrl_c_leaves_the_question_as_it_was() {
    let mut state = two_turns();
    enter(&mut state, "/edit");
    control(&mut state, 'c');
    assert_eq!((input(&state), state.editing()), ("", None));
    assert_eq!(say(&mut state, "three"), [ask("three")]);
    assert_eq!(state.transcript().len(), 6, "nothing was replaced");
}
