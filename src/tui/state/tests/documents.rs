//! Files and pastes in the input, and what happens when they do not fit.

use super::*;

pub(super) fn document(name: &str, text: &str) -> Box<Result<Document, DocumentError>> {
    Box::new(crate::document::from_bytes(name, text.as_bytes()))
}

/// A file of 20,000 tokens is asked about and refused.
fn refused(held: usize) -> State {
    let mut state = ready();
    if held > 0 {
        said(&mut state, "one", "first");
    }
    let text = "a line of the contract\n".repeat(5000);
    state.update(Input::Read(document("contract.txt", &text)));
    let tokens = 20_000;
    tell(&mut state, Event::Counted { tag: 0, tokens });
    let toast = state.toast.clone().unwrap().text;
    assert!(toast.contains("2.4 times the model's context"), "{toast}");
    say(&mut state, " who?");
    let figures = crate::engine::event::TooLong {
        needed: 20_050 + held,
        context: 8192,
        held,
    };
    tell(&mut state, Event::TooLong(figures));
    state
}

#[test]
fn a_file_that_was_mentioned_shows_its_tokens_once_they_are_counted() {
    let mut state = ready();
    say(&mut state, "sum up @notes.md");
    let effects = state.update(Input::Mentioned {
        path: "notes.md".into(),
        document: document("notes.md", "a note"),
    });
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, Effect::Engine(Command::Ask { .. })))
    );
    let shown = |state: &State| {
        let entries = state.conversation.entries();
        entries
            .map(|entry| format!("{entry:?}"))
            .collect::<String>()
    };
    assert!(shown(&state).contains("[notes.md · 6 characters]"));
    tell(&mut state, Event::Counted { tag: 0, tokens: 2 });
    assert!(shown(&state).contains("[notes.md · 2 tokens · "));
}

#[test]
fn what_does_not_fit_comes_back_with_figures_and_choices() {
    let mut state = refused(0);
    let expanded = state.composer.elements.expand(input(&state));
    assert_eq!(
        expanded.matches("a line of").count(),
        5000,
        "nothing is lost"
    );
    let why = notes(&state);
    for part in [
        "takes 20,050 tokens, 11,858 more than the model's context of 8,192.",
        "A larger budget does not help",
        "Its first 1,963 lines are about what fits (/file PATH 1-1963).",
    ] {
        assert!(why.contains(part), "{why}");
    }
    let lines = state.popup();
    let labels: Vec<&str> = lines.iter().map(|l| l.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "take the first 7,854 tokens of contract.txt",
            "take a model with a longer context"
        ]
    );
    // One key takes the first part; another sends it.
    let effects = press(&mut state, KeyCode::Enter);
    assert!(
        matches!(
            &effects[..],
            [Effect::Engine(Command::Shorten {
                tag: 0,
                tokens: 7854,
                ..
            })]
        ),
        "{effects:?}"
    );
    let (bytes, tokens) = ("a line of the contract\n".len() * 1000, 7870);
    let tag = 0;
    tell(&mut state, Event::Shortened { tag, bytes, tokens });
    assert_eq!(state.popup(), []);
    let label = state.composer.elements.by_tag(1).unwrap().label(Some(8192));
    assert_eq!(
        label,
        "[contract.txt, first part · 7,870 tokens · 96 % of context]"
    );
    let asked = press(&mut state, KeyCode::Enter);
    let whole = |t: &str| t.matches("a line of").count() == 1000 && t.ends_with("who?");
    assert!(matches!(&asked[..], [Effect::Engine(Command::Ask { text })] if whole(text)));
}

#[test]
fn the_whole_comes_back_and_other_texts_need_no_choices() {
    let mut state = refused(0);
    press(&mut state, KeyCode::Char('!'));
    assert_eq!(state.popup(), [], "the text is another one");
    press(&mut state, KeyCode::Backspace);
    assert_eq!(state.popup().len(), 2);
    press(&mut state, KeyCode::Esc);
    assert_eq!(state.popup(), []);
    let mut state = refused(0);
    let before = input(&state).to_owned();
    press(&mut state, KeyCode::Enter);
    let (tag, bytes, tokens) = (0, 23, 5);
    tell(&mut state, Event::Shortened { tag, bytes, tokens });
    assert_ne!(input(&state), before);
    control(&mut state, '_');
    assert_eq!(input(&state), before);
}

#[test]
fn a_message_waits_while_a_longer_model_is_named() {
    let mut state = refused(0);
    let before = input(&state).to_owned();
    press(&mut state, KeyCode::Down);
    press(&mut state, KeyCode::Enter);
    assert_eq!(input(&state), "/model ");
    let effects = say(&mut state, "long.gguf");
    assert!(effects.contains(&Effect::Model("long.gguf".into())));
    assert_eq!(input(&state), before);
    // Also where none is taken, and in the place of the question that it changes.
    let mut state = refused(9000);
    assert_eq!(state.editing(), None);
    let all = state.transcript();
    control(&mut state, 'u');
    say(&mut state, "/edit");
    control(&mut state, 'u');
    say(&mut state, "a long one");
    let figures = crate::engine::event::TooLong {
        needed: 20_050,
        context: 8192,
        held: 0,
    };
    tell(&mut state, Event::TooLong(figures));
    assert_eq!(
        (input(&state), state.editing().is_some()),
        ("a long one", true)
    );
    press(&mut state, KeyCode::Enter);
    assert_eq!(input(&state), "/model ");
    control(&mut state, 'c');
    assert_eq!(
        (input(&state), state.editing().is_some()),
        ("a long one", true)
    );
    assert_eq!(state.transcript(), all);
    let mut state = refused(0);
    press(&mut state, KeyCode::Down);
    press(&mut state, KeyCode::Enter);
    control(&mut state, 'c');
    assert_eq!(input(&state), before);
}

#[test]
fn what_fits_alone_is_asked_in_a_new_conversation() {
    let mut state = refused(9000);
    assert!(notes(&state).contains("9,000 of them were said before"));
    let labels =
        |state: &State| -> Vec<String> { state.popup().into_iter().map(|l| l.label).collect() };
    assert!(
        !labels(&state)
            .iter()
            .any(|l| l.contains("new conversation"))
    );
    state.update(Input::Key(KeyEvent::new(
        KeyCode::Char('u'),
        KeyModifiers::CONTROL,
    )));
    say(&mut state, "a short one");
    let figures = crate::engine::event::TooLong {
        needed: 9020,
        context: 8192,
        held: 9000,
    };
    tell(&mut state, Event::TooLong(figures));
    assert_eq!(labels(&state)[0], "ask it in a new conversation");
    let effects = press(&mut state, KeyCode::Enter);
    assert!(effects.contains(&Effect::Engine(Command::Reset)));
    assert_eq!(effects.last(), Some(&ask("a short one")));
}

#[test]
fn pages_and_parts_are_named() {
    let mut state = ready();
    let file = crate::testing::pdf::document(&["first", "second"]);
    let read = crate::document::from_bytes("report.pdf", &file);
    state.update(Input::Read(Box::new(read)));
    let label = |state: &State, tag| state.composer.elements.by_tag(tag).unwrap().label(None);
    tell(&mut state, Event::Counted { tag: 0, tokens: 12 });
    assert_eq!(label(&state, 0), "[report.pdf · 2 pages · 12 tokens]");
    let path = |effects: Vec<Effect>| match &effects[..] {
        [Effect::Read(path)] => path.display().to_string(),
        other => format!("{other:?}"),
    };
    control(&mut state, 'u');
    assert_eq!(
        path(say(&mut state, "/file report.pdf 3-7")),
        "report.pdf 3-7"
    );
    assert_eq!(
        path(say(&mut state, "/file \"my report.pdf\" 3-7")),
        "my report.pdf#3-7"
    );
}

#[test]
fn a_mentioned_file_that_cannot_be_read_is_said_and_nothing_is_sent() {
    let mut state = ready();
    assert_eq!(say(&mut state, "sum up @a.bin and @me").len(), 2);
    let document = |name: &str, bytes: &[u8]| Box::new(crate::document::from_bytes(name, bytes));
    let path = "a.bin".to_owned();
    let zip = document("a.bin", b"PK\x03\x04");
    assert_eq!(
        tell_input(
            &mut state,
            Input::Mentioned {
                path,
                document: zip
            }
        ),
        []
    );
    let path = "me".to_owned();
    let missing = Box::new(Err(DocumentError::Missing("me".into())));
    assert_eq!(
        tell_input(
            &mut state,
            Input::Mentioned {
                path,
                document: missing
            }
        ),
        []
    );
    assert!(notes(&state).contains("is a zip archive"));
    assert_eq!(input(&state), "sum up @a.bin and @me");
}

fn tell_input(state: &mut State, input: Input) -> Vec<Effect> {
    without_records(state.update(input))
}

#[test]
fn an_element_is_opened_in_place_or_in_the_editor() {
    let mut state = ready();
    let short = "short line\n".repeat(20);
    state.update(Input::Paste(short.clone()));
    let before = input(&state).to_owned();
    control(&mut state, 'x');
    assert_eq!(input(&state), short.trim_end());
    control(&mut state, '_');
    assert_eq!(input(&state), before);
    control(&mut state, 'u');
    let long = "long line\n".repeat(900);
    state.update(Input::Paste(long.clone()));
    assert_eq!(control(&mut state, 'x'), [Effect::Editor(long.clone())]);
    state.update(Input::Edited(Ok(long.clone())));
    assert_eq!(state.composer.elements.expand(input(&state)), long);
    control(&mut state, 'x');
    let changed = long.replace("long", "another");
    let effects = state.update(Input::Edited(Ok(changed.clone())));
    assert!(matches!(
        &effects[..],
        [Effect::Engine(Command::Count { .. })]
    ));
    assert_eq!(state.composer.elements.expand(input(&state)), changed);
    control(&mut state, 'u');
    assert_eq!(control(&mut state, 'x'), []);
    assert!(state.toast.is_some());
}

#[test]
fn a_paste_is_counted_and_huge_ones_are_refused_with_figures() {
    let mut state = ready();
    let text = "one line\r\n".repeat(100);
    let effects = state.update(Input::Paste(text.clone()));
    let counted = Command::Count {
        tag: 0,
        text: text.replace("\r\n", "\n"),
    };
    assert_eq!(effects, [Effect::Engine(counted)]);
    tell(
        &mut state,
        Event::Counted {
            tag: 0,
            tokens: 300,
        },
    );
    let label = state
        .composer
        .elements
        .by_tag(0)
        .unwrap()
        .label(state.context());
    assert_eq!(label, "[pasted 100 lines · 300 tokens · 4 % of context]");
    let before = input(&state).to_owned();
    assert_eq!(state.update(Input::Paste("x".repeat(20 << 20))), []);
    assert_eq!(input(&state), before);
    let said = state.conversation.entries().next_back().cloned();
    assert!(
        matches!(said, Some(Entry::Note { text, .. }) if text.contains("20.0 MiB") && text.contains("8,192"))
    );
}

#[test]
fn mentioned_files_go_out_with_the_message() {
    let mut state = ready();
    assert_eq!(
        say(&mut state, "sum up @a.md"),
        [Effect::Mention("a.md".into())]
    );
    let document = crate::document::from_bytes("a.md", b"alpha").unwrap();
    let document = Box::new(Ok(document));
    let effects = state.update(Input::Mentioned {
        path: "a.md".into(),
        document,
    });
    let asked = effects.iter().find_map(|e| match e {
        Effect::Engine(Command::Ask { text }) => Some(text.clone()),
        _ => None,
    });
    assert!(asked.is_some_and(|t| t.contains("alpha") && t.ends_with("\n\nsum up [a.md]")));
}

#[test]
fn a_path_that_is_mentioned_and_is_none_does_not_go_out_as_text() {
    let missing = |path: &str| DocumentError::Missing(path.into());
    let folder = |path: &str| DocumentError::Folder(path.into());
    for (path, error) in [
        ("/no/such.txt", missing("/no/such.txt")),
        ("folder/", folder("folder/")),
        ("~/notes", missing("/home/me/notes")),
    ] {
        let mut state = ready();
        let text = format!("sum up @{path}");
        assert_eq!(say(&mut state, &text), [Effect::Mention(path.into())]);
        let document = Box::new(Err(error));
        let path = path.to_owned();
        let effects = tell_input(&mut state, Input::Mentioned { path, document });
        assert_eq!(effects, []);
        assert!(notes(&state).contains("with a space behind the @"));
        assert_eq!(input(&state), text, "it waits to be mended");
    }
    // Somebody's name is one.
    let mut state = ready();
    say(&mut state, "tell @someone");
    let document = Box::new(Err(missing("someone")));
    let path = "someone".to_owned();
    let effects = tell_input(&mut state, Input::Mentioned { path, document });
    assert_eq!(effects, [ask("tell @someone")]);
}

#[test]
fn a_file_that_cannot_be_read_leaves_its_path_to_be_mended() {
    let mut state = ready();
    say(&mut state, "/file ~/rport.pdf 3-7");
    let missing = || Input::Read(Box::new(Err(DocumentError::Missing("rport.pdf".into()))));
    state.update(missing());
    assert_eq!(input(&state), "/file ~/rport.pdf 3-7");
    assert!(notes(&state).contains("there is no file rport.pdf"));
    // What is written meanwhile stays alone.
    press(&mut state, KeyCode::Enter);
    say(&mut state, "/file a");
    press(&mut state, KeyCode::Char('x'));
    state.update(missing());
    assert_eq!(input(&state), "x");
}
