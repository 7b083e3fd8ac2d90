//! What the app is started with: files, and questions about them.

use super::documents::document;
use super::*;

/// With two files and a question behind it.
fn begun() -> State {
    let (mut state, effects) = State::new(Setup {
        prompt: Some("who?".into()),
        then: vec!["why?".into()],
        files: vec!["a.md".into(), "b.md".into()],
        ..Setup::default()
    });
    assert_eq!(
        effects,
        ["a.md", "b.md"].map(|path| Effect::Read(path.into()))
    );
    tell(&mut state, ready_event());
    state
}

#[test]
fn the_first_question_is_asked_once_its_files_are_read() {
    let asked = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Engine(Command::Ask { text }) => Some(text.clone()),
            _ => None,
        })
    };
    let mut state = begun();
    let effects = state.update(Input::Read(document("a.md", "one of them")));
    assert_eq!(asked(&effects), None);
    let effects = state.update(Input::Read(document("b.md", "the other")));
    let text = asked(&effects).unwrap();
    let place = |what: &str| text.find(what).unwrap();
    assert!(place("one of them") < place("the other") && place("the other") < place("who?"));
    tell(&mut state, started());
    assert_eq!(tell(&mut state, finished(Stop::Eos, 3)), [ask("why?")]);
}

#[test]
fn what_is_typed_before_the_first_question_has_its_files_is_asked_behind_it() {
    let mut state = begun();
    assert_eq!(say(&mut state, "and when?"), []);
    assert_eq!(input(&state), "");
    state.update(Input::Read(document("a.md", "one of them")));
    let effects = state.update(Input::Read(document("b.md", "the other")));
    let first = effects.iter().any(|effect| match effect {
        Effect::Engine(Command::Ask { text }) => text.ends_with("who?"),
        _ => false,
    });
    assert!(first, "{effects:?}");
    for next in ["why?", "and when?"] {
        tell(&mut state, started());
        assert_eq!(tell(&mut state, finished(Stop::Eos, 3)), [ask(next)]);
    }
}

#[test]
fn the_first_question_waits_in_the_input_where_a_file_cannot_be_read() {
    let mut state = begun();
    state.update(Input::Read(document("a.md", "one of them")));
    let missing = DocumentError::Missing("b.md".into());
    assert_eq!(state.update(Input::Read(Box::new(Err(missing)))), []);
    assert!(input(&state).ends_with("who?\n\nwhy?"));
    // Nothing is sent by a file that comes later.
    let effects = state.update(Input::Read(document("c.md", "a third")));
    assert!(
        !effects
            .iter()
            .any(|e| matches!(e, Effect::Engine(Command::Ask { .. })))
    );
}
