//! Questions and answers: asked, stopped, failed, gone on with, written down.

use super::*;

#[test]
fn a_question_waits_for_the_model() {
    let (mut state, _) = State::new(Setup {
        prompt: Some("first".into()),
        ..Setup::default()
    });
    assert_eq!(say(&mut state, "second"), []);
    assert_eq!(tell(&mut state, ready_event()), [ask("first")]);
    tell(&mut state, started());
    assert_eq!(tell(&mut state, finished(Stop::Eos, 3)), [ask("second")]);
}

#[test]
fn a_stopped_prefill_gives_the_question_back() {
    let mut state = ready();
    assert_eq!(say(&mut state, "why?"), [ask("why?")]);
    tell(&mut state, started());
    say(&mut state, "and then");
    assert_eq!(press(&mut state, KeyCode::Esc), [Effect::Stop]);
    assert_eq!(press(&mut state, KeyCode::Esc), [], "one stop is enough");
    tell(&mut state, finished(Stop::Interrupted, 0));
    assert_eq!(
        input(&state),
        "why?\n\nand then",
        "in the order they were asked"
    );
    assert!(
        state
            .conversation
            .entries()
            .all(|e| matches!(e, Entry::Note { .. }))
    );
}

#[test]
fn a_stopped_answer_is_kept() {
    let mut state = ready();
    say(&mut state, "why?");
    tell(&mut state, started());
    let piece = "Because \x1b[31m".into();
    tell(&mut state, Event::Text { turn: 1, piece });
    press(&mut state, KeyCode::Esc);
    tell(&mut state, finished(Stop::Interrupted, 2));
    let answer = state.conversation.answer_mut().unwrap();
    assert_eq!(answer.text.source(), "Because ␛[31m", "shown, not obeyed");
    assert!(answer.footer.as_deref().unwrap().contains("stopped"));
    assert_eq!(input(&state), "");
}

#[test]
fn a_failed_turn_loses_nothing() {
    let mut state = ready();
    state.update(Input::Paste("long text\n".repeat(50)));
    say(&mut state, " what?");
    tell(&mut state, started());
    let message = "the conversation would take 9,000 tokens".into();
    tell(
        &mut state,
        Event::Failed {
            turn: None,
            message,
        },
    );
    let expanded = state.composer.elements.expand(input(&state));
    assert!(expanded.contains(&"long text\n".repeat(50)) && expanded.ends_with("what?"));
}

#[test]
fn without_an_engine_the_conversation_stays() {
    let mut state = ready();
    say(&mut state, "why?");
    state.update(Input::EngineGone);
    assert_eq!(input(&state), "why?");
    assert_eq!(press(&mut state, KeyCode::Enter), []);
    assert!(matches!(say(&mut state, "")[..], []));
}

#[test]
fn what_is_said_is_written_down_as_it_happens() {
    let mut state = ready();
    press(&mut state, KeyCode::Char('q'));
    let enter = Input::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
    let question = Record::User(vec![crate::saved::Piece::Text("q".into())]);
    assert_eq!(records(state.update(enter)), [question]);
    let text = |piece: &str| {
        let piece = piece.to_owned();
        Input::Engine(Event::Text { turn: 1, piece })
    };
    assert_eq!(records(state.update(text("one "))), []);
    let line = Record::Answer("one line\n".into());
    assert_eq!(records(state.update(text("line\n"))), [line]);
    state.update(text("end"));
    let done = state.update(Input::Engine(finished(Stop::Eos, 3)));
    let end = Record::End(Ending::Complete);
    assert_eq!(records(done), [Record::Answer("end".into()), end]);
}

#[test]
fn asking_again_takes_another_seed() {
    let mut state = ready();
    said(&mut state, "one", "answer");
    let effects = say(&mut state, "/retry");
    assert_eq!(effects[0], Effect::Engine(Command::Load(Vec::new())));
    assert!(matches!(&effects[1], Effect::Engine(Command::SetSampling(s)) if s.seed == Some(2)));
    assert_eq!(effects[2], ask("one"));
}

#[test]
fn a_stopped_answer_goes_on_in_the_same_message() {
    let go_on = Effect::Engine(Command::Continue);
    let mut state = ready();
    assert_eq!(say(&mut state, "/continue"), []);
    assert!(state.toast.take().unwrap().text.contains("ask something"));
    say(&mut state, "why?");
    assert_eq!(control(&mut state, 'o'), [], "while it runs");
    tell(&mut state, started());
    let text = |piece: &str| {
        let piece = piece.to_owned();
        Event::Text { turn: 1, piece }
    };
    tell(&mut state, text("Because "));
    press(&mut state, KeyCode::Esc);
    let done = state.update(Input::Engine(finished(Stop::Interrupted, 2)));
    let end = |e| Record::End(e);
    assert_eq!(
        records(done),
        [Record::Answer("Because ".into()), end(Ending::Stopped)]
    );

    assert_eq!(control(&mut state, 'o'), [go_on]);
    let warm = Event::TurnStarted {
        turn: 1,
        prompt_tokens: 0,
        position: 12,
    };
    tell(&mut state, warm);
    assert!(
        matches!(state.activity.phase, Phase::Decoding { .. }),
        "nothing is read"
    );
    tell(&mut state, text("it is so."));
    let done = state.update(Input::Engine(finished(Stop::Eos, 3)));
    assert_eq!(
        records(done),
        [Record::Answer("it is so.".into()), end(Ending::Complete)]
    );
    let answer = state.conversation.answer_mut().unwrap();
    assert_eq!(answer.raw, "Because it is so.");
    assert!(!answer.open && answer.footer.as_deref().unwrap().starts_with("5 tokens"));
    assert_eq!(state.transcript().len(), 2);
    assert_eq!(control(&mut state, 'o'), []);
    assert!(state.toast.take().unwrap().text.contains("complete"));
}

#[test]
fn going_on_that_is_stopped_or_fails_at_once_changes_nothing() {
    let mut state = ready();
    said(&mut state, "one", "first");
    let answer = state.conversation.answer_mut().unwrap();
    (answer.end, answer.open) = (Some(Ending::Length), true);
    let before = state.transcript();
    say(&mut state, "/continue");
    assert_eq!(press(&mut state, KeyCode::Esc), [Effect::Stop]);
    tell(&mut state, finished(Stop::Interrupted, 0));
    say(&mut state, "/continue");
    let message = "the context is full".into();
    let turn = None;
    tell(&mut state, Event::Failed { turn, message });
    assert_eq!(state.transcript(), before);
    assert_eq!(input(&state), "");
    let answer = state.conversation.answer_mut().unwrap();
    assert!(answer.open && !answer.running);
    // Something else is asked: the earlier answer does not offer to go on any more.
    say(&mut state, "two");
    let open = |e: &Entry| matches!(e, Entry::Answer(a) if a.open);
    assert!(!state.conversation.entries().any(open));
}

#[test]
fn what_was_to_go_on_is_forgotten_with_its_conversation() {
    let mut state = ready();
    said(&mut state, "one", "first");
    let answer = state.conversation.answer_mut().unwrap();
    (answer.end, answer.open) = (Some(Ending::Length), true);
    tell(&mut state, Event::Loading { share: 0.5 });
    say(&mut state, "/continue");
    say(&mut state, "/new");
    assert_eq!(say(&mut state, "two"), []);
    assert_eq!(tell(&mut state, ready_event()), [ask("two")]);
}

#[test]
fn an_earlier_conversation_is_shown_and_read_by_the_model() {
    use crate::engine::event::Role::{Assistant, User};
    let turn = crate::saved::SavedTurn {
        question: vec![crate::saved::Piece::Text("one".into())],
        answer: Some("first".into()),
        thought: None,
        end: None,
    };
    let (mut state, _) = State::new(Setup {
        turns: vec![turn],
        ..Setup::default()
    });
    let load = Command::Load(vec![message(User, "one"), message(Assistant, "first")]);
    // The app was ended in the middle of the answer: it can go on, here even before the model is
    // ready.
    assert_eq!(control(&mut state, 'o'), []);
    let effects = [load, Command::Continue].map(Effect::Engine);
    assert_eq!(tell(&mut state, ready_event()), effects);
}

#[test]
fn an_answer_that_fills_the_context_does_not_offer_to_go_on() {
    let mut state = ready();
    say(&mut state, "why?");
    tell(&mut state, started());
    let piece = "Because".to_owned();
    tell(&mut state, Event::Text { turn: 1, piece });
    let decoded = |position| Event::Decoded {
        turn: 1,
        generated: 9,
        seconds: 0.1,
        position,
    };
    tell(&mut state, decoded(8192));
    tell(&mut state, finished(Stop::Length, 9));
    let answer = state.conversation.answer_mut().unwrap();
    let footer = answer.footer.clone().unwrap();
    assert!(!answer.open, "Ctrl-O could not");
    assert!(footer.contains("context of 8,192 tokens is full") && footer.contains("/new"));
    assert_eq!(control(&mut state, 'o'), []);
    let toast = state.toast.take().unwrap().text;
    assert!(toast.contains("is full; /new"), "{toast}");
    // A model with a longer context can.
    let Event::Ready { mut model, policy } = ready_event() else {
        return;
    };
    model.context = 32_768;
    tell(&mut state, Event::Ready { model, policy });
    assert!(state.conversation.answer_mut().unwrap().open);
    assert_eq!(
        control(&mut state, 'o'),
        [Effect::Engine(Command::Continue)]
    );
}
