//! `/edit`: nothing is forgotten before the changed question is sent.

use super::*;
use crate::engine::event::Role::{Assistant, User};

fn two_turns() -> State {
    let mut state = ready();
    said(&mut state, "one", "first \x1b answer");
    said(&mut state, "two", "second");
    state
}

fn enter(state: &mut State, text: &str) -> Vec<Effect> {
    for c in text.chars() {
        press(state, KeyCode::Char(c));
    }
    let key = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
    state.update(Input::Key(key))
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
    assert_eq!(effects[0], Effect::Record(Record::Truncate(2)));
    assert_eq!(effects[1], Effect::Engine(Command::Load(before)));
    assert!(matches!(&effects[2], Effect::Record(Record::User(_))));
    assert_eq!(effects[3..], [ask("two!")]);
    assert_eq!(state.editing(), None);
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
    for c in "a draft".chars() {
        press(&mut state, KeyCode::Char(c));
    }
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
