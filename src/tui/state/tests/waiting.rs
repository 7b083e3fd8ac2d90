//! Messages that wait for the files that belong to them.

use super::*;

fn document(name: &str, text: &str) -> Box<Result<Document, DocumentError>> {
    Box::new(crate::document::from_bytes(name, text.as_bytes()))
}

fn missing(path: &str) -> Box<Result<Document, DocumentError>> {
    Box::new(Err(DocumentError::Missing(path.into())))
}

fn mentioned(path: &str, document: Box<Result<Document, DocumentError>>) -> Input {
    let path = path.to_owned();
    Input::Mentioned { path, document }
}

fn asked(effects: &[Effect]) -> Option<&str> {
    effects.iter().find_map(|e| match e {
        Effect::Engine(Command::Ask { text }) => Some(text.as_str()),
        _ => None,
    })
}

fn toast(state: &State) -> &str {
    state.toast.as_ref().map_or("", |toast| toast.text.as_str())
}

#[test]
fn a_question_behind_a_file_has_it() {
    let mut state = ready();
    say(&mut state, "/file report.md");
    assert_eq!(state.sending.reading, 1);
    assert_eq!(say(&mut state, "Which risks?"), [], "it is not read yet");
    assert!(toast(&state).contains("as soon as its file is read"));
    assert_eq!(input(&state), "Which risks?");
    let effects = state.update(Input::Read(document("report.md", "alpha")));
    let text = asked(&effects).unwrap();
    assert!(
        text.contains("alpha") && text.ends_with("Which risks?"),
        "{text}"
    );
    assert_eq!(state.sending.reading, 0);
    // One that was dropped into the terminal as well.
    tell(&mut state, finished(Stop::Eos, 3));
    state.update(Input::Paste("/tmp/more.md".into()));
    assert_eq!(say(&mut state, "And here?"), []);
    let text = "/tmp/more.md".to_owned();
    let document = document("more.md", "beta");
    let effects = state.update(Input::Dropped { text, document });
    assert!(asked(&effects).unwrap().contains("beta"));
}

#[test]
fn a_file_that_cannot_be_read_sends_nothing() {
    let mut state = ready();
    say(&mut state, "/file rport.md");
    say(&mut state, "Which risks?");
    let effects = state.update(Input::Read(missing("rport.md")));
    assert_eq!(asked(&effects), None);
    assert_eq!(input(&state), "Which risks?");
    assert_eq!(press(&mut state, KeyCode::Enter), [ask("Which risks?")]);
}

#[test]
fn what_waits_can_be_kept_back_or_changed() {
    let mention = || mentioned("big.md", document("big.md", "alpha"));
    for key in [KeyCode::Esc, KeyCode::Char('c')] {
        let mut state = ready();
        say(&mut state, "sum up @big.md");
        let held = match key {
            KeyCode::Esc => KeyModifiers::NONE,
            _ => KeyModifiers::CONTROL,
        };
        state.update(Input::Key(KeyEvent::new(key, held)));
        assert_eq!(input(&state), "sum up @big.md");
        assert_eq!(state.update(mention()), []);
        assert_eq!(input(&state), "sum up @big.md", "it is as it was typed");
    }
    let mut state = ready();
    say(&mut state, "sum up @big.md");
    press(&mut state, KeyCode::Char('!'));
    assert_eq!(state.update(mention()), []);
    assert!(toast(&state).contains("Enter sends it"));
    // Not even where nothing is left of it.
    let mut state = ready();
    say(&mut state, "sum up @big.md");
    control(&mut state, 'u');
    assert_eq!(state.update(mention()), []);
    assert_eq!(state.transcript(), []);
}

#[test]
fn a_file_that_never_comes_is_waited_for_no_more() {
    let mut state = ready();
    say(&mut state, "/file report.md");
    say(&mut state, "Which risks?");
    press(&mut state, KeyCode::Esc);
    assert_eq!(press(&mut state, KeyCode::Enter), [ask("Which risks?")]);
    // Nor is one of a message that was kept back any matter of another.
    let mut state = ready();
    say(&mut state, "sum up @slow/a.md");
    press(&mut state, KeyCode::Esc);
    control(&mut state, 'u');
    say(&mut state, "sum up @b.md");
    state.update(mentioned("slow/a.md", missing("slow/a.md")));
    assert_eq!(notes(&state), "");
    let effects = state.update(mentioned("b.md", document("b.md", "beta")));
    assert!(asked(&effects).unwrap().contains("beta"));
}

#[test]
fn what_waits_stays_in_the_input_where_no_model_is_left() {
    let mut state = ready();
    say(&mut state, "/file report.md");
    say(&mut state, "Which risks?");
    state.update(Input::EngineGone);
    let effects = state.update(Input::Read(document("report.md", "alpha")));
    assert_eq!(asked(&effects), None);
    assert!(input(&state).ends_with("Which risks?"));
    assert_eq!(state.activity.phase, Phase::Ended);
}

#[test]
fn files_stand_in_the_order_in_which_they_came() {
    let mut state = ready();
    say(&mut state, "/file a.md");
    say(&mut state, "/file b.md");
    say(&mut state, "compare the first with the second");
    state.update(Input::Read(document("a.md", "alpha")));
    let effects = state.update(Input::Read(document("b.md", "beta")));
    let text = asked(&effects).unwrap();
    assert!(
        text.find("alpha").unwrap() < text.find("beta").unwrap(),
        "{text}"
    );
    assert!(
        text.ends_with("compare the first with the second"),
        "{text}"
    );
}

#[test]
fn a_pasted_path_that_is_no_file_stands_where_it_was_pasted() {
    let mut state = ready();
    for c in "copy  to /b".chars() {
        press(&mut state, KeyCode::Char(c));
    }
    state.composer.buffer.set_caret(5);
    state.update(Input::Paste("/srv/data".into()));
    let text = "/srv/data".to_owned();
    let document = missing("/srv/data");
    state.update(Input::Dropped { text, document });
    assert_eq!(input(&state), "copy /srv/data to /b");
}

#[test]
fn the_full_stop_behind_a_file_is_the_sentences() {
    let mut state = ready();
    let mention = |path: &str| [Effect::Mention(path.into())];
    assert_eq!(say(&mut state, "Sum up @notes.md."), mention("notes.md."));
    let effects = state.update(mentioned("notes.md.", missing("notes.md.")));
    assert_eq!(effects, mention("notes.md"));
    let effects = state.update(mentioned("notes.md", document("notes.md", "alpha")));
    let text = asked(&effects).unwrap();
    assert!(
        text.contains("alpha") && text.ends_with("Sum up [notes.md]."),
        "{text}"
    );
    // A document that is not there is said, where a name would go out as it stands.
    let mut state = ready();
    say(&mut state, "Sum up @ntes.md");
    let effects = state.update(mentioned("ntes.md", missing("ntes.md")));
    assert_eq!(effects, []);
    assert!(notes(&state).contains("there is no file ntes.md"));
}

#[test]
fn a_name_with_blanks_is_completed_so_that_it_is_found() {
    let mut state = ready();
    for c in "sum up @my".chars() {
        press(&mut state, KeyCode::Char(c));
    }
    let names = vec![Name {
        name: "my notes.md".into(),
        folder: false,
    }];
    state.update(Input::Listed(Listing {
        prefix: "my".into(),
        names,
        more: 0,
    }));
    press(&mut state, KeyCode::Tab);
    assert_eq!(input(&state), "sum up @\"my notes.md\"");
    let mention = [Effect::Mention("my notes.md".into())];
    assert_eq!(press(&mut state, KeyCode::Enter), mention);
}

/// Nobody sees the input from a panel.
#[test]
fn keys_in_a_panel_do_not_reach_the_input() {
    let mut state = ready();
    said(&mut state, "one", "first");
    for c in "a draft".chars() {
        press(&mut state, KeyCode::Char(c));
    }
    press(&mut state, KeyCode::F(3));
    for key in [KeyCode::Up, KeyCode::Backspace, KeyCode::Enter] {
        assert_eq!(press(&mut state, key), []);
        assert_eq!(input(&state), "a draft", "{key:?}");
    }
    // What is typed goes on there.
    press(&mut state, KeyCode::Char('!'));
    assert_eq!(
        (input(&state), state.screen.focus),
        ("a draft!", Focus::Input)
    );
}

#[test]
fn what_was_cut_can_be_put_in_behind_a_command() {
    let mut state = ready();
    for c in "a long question".chars() {
        press(&mut state, KeyCode::Char(c));
    }
    control(&mut state, 'u');
    say(&mut state, "/budget 300");
    control(&mut state, 'y');
    assert_eq!(input(&state), "a long question");
}

#[test]
fn advice_longer_than_its_line_stays_in_the_conversation() {
    let mut state = ready();
    state.update(Input::Resize(80, 24));
    say(&mut state, "/budget 12x");
    assert!(notes(&state).contains("examples: 1024, 25%, 64MiB"));
    state.update(Input::Resize(200, 24));
    say(&mut state, "/budget 12x");
    assert!(toast(&state).contains("examples"));
}
