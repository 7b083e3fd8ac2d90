mod documents;

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::engine::event::{CompareEvent, Event, ModelInfo, PolicyInfo, Stop, TurnStats};
use crate::policy::{Budget, Preset};
use crate::session::Ending;

fn ready() -> State {
    let (mut state, _) = State::new(Setup::default());
    tell(&mut state, ready_event());
    state
}

fn ready_event() -> Event {
    let model = ModelInfo {
        context: 8192,
        layers: 2,
        kv_heads: 2,
        ..ModelInfo::default()
    };
    Event::Ready {
        model: Box::new(model),
        policy: PolicyInfo::default(),
    }
}

fn tell(state: &mut State, event: Event) -> Vec<Effect> {
    without_records(state.update(Input::Engine(event)))
}

fn press(state: &mut State, code: KeyCode) -> Vec<Effect> {
    without_records(state.update(Input::Key(KeyEvent::new(code, KeyModifiers::NONE))))
}

fn without_records(mut effects: Vec<Effect>) -> Vec<Effect> {
    effects.retain(|e| !matches!(e, Effect::Record(_) | Effect::List(_)));
    effects
}

fn records(effects: Vec<Effect>) -> Vec<Record> {
    let record = |e| match e {
        Effect::Record(record) => Some(record),
        _ => None,
    };
    effects.into_iter().filter_map(record).collect()
}

fn control(state: &mut State, c: char) -> Vec<Effect> {
    let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
    state.update(Input::Key(key))
}

fn say(state: &mut State, text: &str) -> Vec<Effect> {
    for c in text.chars() {
        press(state, KeyCode::Char(c));
    }
    press(state, KeyCode::Enter)
}

fn ask(text: &str) -> Effect {
    Effect::Engine(Command::Ask { text: text.into() })
}

fn finished(stop: Stop, generated_tokens: usize) -> Event {
    Event::TurnFinished(TurnStats {
        turn: 1,
        stop,
        prompt_tokens: 10,
        generated_tokens,
        prefill_seconds: 0.1,
        decode_seconds: 0.1,
    })
}

fn started() -> Event {
    Event::TurnStarted {
        turn: 1,
        prompt_tokens: 10,
        position: 0,
    }
}

fn input(state: &State) -> &str {
    state.composer.buffer.text()
}

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
fn ctrl_c_stops_clears_and_leaves() {
    let mut state = ready();
    say(&mut state, "why?");
    assert_eq!(control(&mut state, 'c'), [Effect::Stop]);
    tell(&mut state, finished(Stop::Interrupted, 1));
    state.set_now(10.0, String::new());
    press(&mut state, KeyCode::Char('x'));
    assert_eq!(control(&mut state, 'c'), []);
    assert_eq!(input(&state), "");
    control(&mut state, '_');
    assert_eq!(input(&state), "x", "undo brings it back");
    control(&mut state, 'u');
    assert_eq!(control(&mut state, 'c'), []);
    state.set_now(15.0, String::new());
    assert_eq!(control(&mut state, 'c'), [], "too late for twice");
    assert!(control(&mut state, 'c').contains(&Effect::Quit));
}

#[test]
fn commands_reach_the_engine_and_paths_do_not_look_like_commands() {
    let mut state = ready();
    let policy = |policy, budget| Effect::Engine(Command::SetPolicy { policy, budget });
    assert_eq!(
        say(&mut state, "/policy snapkv"),
        [policy(Some(Preset::SNAPKV), None)]
    );
    let quarter = Some(Budget::Share(0.25));
    assert_eq!(say(&mut state, "/budget 25%"), [policy(None, quarter)]);
    for (wrong, why) in [
        ("/policy best", "there is no policy"),
        ("/budget lots", "64MiB"),
    ] {
        assert_eq!(say(&mut state, wrong), []);
        assert!(state.toast.take().unwrap().text.contains(why), "{why}");
        assert_eq!(state.conversation.len(), 0);
    }
    assert_eq!(
        say(&mut state, "/file \"my notes.md\""),
        [Effect::Read(PathBuf::from("my notes.md"))]
    );
    assert_eq!(
        say(&mut state, "/set temperature 0"),
        [Effect::Engine(Command::SetSampling(Sampling {
            temperature: 0.0,
            ..Sampling::default()
        }))]
    );
    assert_eq!(say(&mut state, "/set temperature cold"), []);
    assert!(state.toast.is_some());
    assert_eq!(
        say(&mut state, "/etc/hosts says what?"),
        [ask("/etc/hosts says what?")]
    );
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
fn panels_stand_still_on_a_key() {
    let mut state = ready();
    press(&mut state, KeyCode::F(7));
    let picture = crate::engine::event::CachePicture {
        used_bytes: 7,
        ..Default::default()
    };
    state.update(Input::Picture(picture));
    assert_eq!(state.shown().picture.used_bytes, 0);
    press(&mut state, KeyCode::F(7));
    assert_eq!(state.shown().picture.used_bytes, 7);
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

fn said(state: &mut State, question: &str, answer: &str) {
    say(state, question);
    tell(state, started());
    let piece = answer.to_owned();
    tell(state, Event::Text { turn: 1, piece });
    tell(state, finished(Stop::Eos, 3));
}

fn message(role: crate::engine::event::Role, content: &str) -> crate::engine::event::Message {
    let content = content.to_owned();
    crate::engine::event::Message { role, content }
}

#[test]
fn what_is_said_is_written_down_as_it_happens() {
    let mut state = ready();
    press(&mut state, KeyCode::Char('q'));
    let enter = Input::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
    let question = Record::User(vec![crate::session::Piece::Text("q".into())]);
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
fn a_question_is_edited_and_what_followed_is_forgotten() {
    use crate::engine::event::Role::{Assistant, User};
    let mut state = ready();
    said(&mut state, "one", "first \x1b answer");
    said(&mut state, "two", "second");
    let enter = |state: &mut State, text: &str| {
        for c in text.chars() {
            press(state, KeyCode::Char(c));
        }
        state.update(Input::Key(KeyEvent::new(
            KeyCode::Enter,
            KeyModifiers::NONE,
        )))
    };
    let effects = enter(&mut state, "/edit");
    let before = vec![
        message(User, "one"),
        message(Assistant, "first \x1b answer"),
    ];
    assert!(effects.contains(&Effect::Engine(Command::Load(before.clone()))));
    assert!(effects.contains(&Effect::Record(Record::Truncate(2))));
    assert_eq!(input(&state), "two");
    assert_eq!(
        state.transcript(),
        before,
        "the model's own text, not the shown one"
    );
    press(&mut state, KeyCode::Char('!'));
    assert_eq!(press(&mut state, KeyCode::Enter), [ask("two!")]);
}

#[test]
fn asking_again_takes_another_seed() {
    let mut state = ready();
    said(&mut state, "one", "answer");
    let effects = say(&mut state, "/retry");
    assert_eq!(effects[0], Effect::Engine(Command::Load(Vec::new())));
    assert!(matches!(&effects[1], Effect::Engine(Command::SetSampling(s)) if s.seed == 2));
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
        matches!(state.phase, Phase::Decoding { .. }),
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

fn compare_event(state: &mut State, event: CompareEvent) -> Vec<Effect> {
    state.update(Input::Engine(Event::Compare(event)))
}

fn a_run(policy: &str, answer: &str) -> crate::engine::compare::Run {
    crate::engine::compare::Run {
        policy: policy.into(),
        budget: None,
        kv_used_bytes: 1,
        kv_full_bytes: 1,
        prefill_seconds: 1.0,
        prefill_tokens_per_second: 1.0,
        decode_tokens_per_second: 1.0,
        generated_tokens: 2,
        stop: Stop::Eos,
        retained_mass: 1.0,
        kl: Vec::new(),
        kl_mean: None,
        top1_agree: None,
        first_divergence: None,
        same_bytes: 0,
        answer: answer.into(),
    }
}

fn compared(state: &mut State, question: &str, answers: &[&str]) {
    let plan = crate::engine::compare::Plan {
        question: question.into(),
        policies: answers.iter().map(|a| ((*a).to_owned(), None)).collect(),
        prompt_tokens: 10,
        position: 10,
        past: crate::engine::compare::Past::Empty,
        max_tokens: 9,
    };
    compare_event(state, CompareEvent::Started(Box::new(plan)));
    for (run, answer) in answers.iter().enumerate() {
        let result = Box::new(a_run(answer, &format!("answer {answer}")));
        compare_event(state, CompareEvent::Finished { run, result });
    }
    compare_event(state, CompareEvent::Ended { stopped: false });
}

#[test]
fn a_comparison_is_shown_and_leaves_the_conversation_alone() {
    use crate::engine::event::Compare;
    let mut state = ready();
    assert_eq!(say(&mut state, "/compare"), []);
    assert!(
        state
            .toast
            .take()
            .unwrap()
            .text
            .contains("nothing was asked")
    );
    said(&mut state, "one", "first");
    let before = state.transcript();
    let wish = |question: Option<&str>, budget| {
        Effect::Engine(Command::Compare(Compare {
            question: question.map(str::to_owned),
            policies: vec![Preset::SNAPKV, Preset::ADA_SNAPKV],
            budget,
            max_tokens: 256,
        }))
    };
    assert_eq!(
        say(&mut state, "/compare 64"),
        [wish(None, Some(Budget::Tokens(64)))]
    );
    assert!(state.comparing() && state.phase.busy());
    assert_eq!(press(&mut state, KeyCode::Esc), [Effect::Stop]);
    compared(&mut state, "one", &["full", "snapkv"]);
    press(&mut state, KeyCode::Esc);
    assert!(!state.comparing());
    assert_eq!(state.transcript(), before);
    assert_eq!(
        say(&mut state, "/compare"),
        [],
        "the last one is shown again"
    );
    assert!(state.comparing());
    let copied = press(&mut state, KeyCode::Char('y'));
    assert!(matches!(&copied[..], [Effect::Copy(t)] if t.contains("| full |")));
    assert_eq!(
        press(&mut state, KeyCode::Char('r')),
        [wish(None, Some(Budget::Tokens(64)))]
    );
    let failed = CompareEvent::Failed("no room".into());
    compare_event(&mut state, failed);
    assert!(!state.comparing() && !state.phase.busy());
    assert_eq!(input(&state), "/compare 64", "its budget as well");
    control(&mut state, 'c');
    assert_eq!(say(&mut state, "/compare why?"), [wish(Some("why?"), None)]);
    compare_event(&mut state, CompareEvent::Failed("no room".into()));
    assert_eq!(input(&state), "/compare why?", "nothing typed is lost");
}

#[test]
fn a_comparison_without_an_engine_ends_and_loses_nothing() {
    let fatal = || Input::Engine(Event::Fatal("a fault".into()));
    for gone in [fatal, || Input::EngineGone] {
        let mut state = ready();
        say(&mut state, "/compare full 64 why?");
        assert!(state.comparing());
        state.update(gone());
        assert_eq!(input(&state), "/compare full 64 why?");
        assert!(!state.comparing() && !state.phase.busy());
        // Refused, and as it was typed.
        press(&mut state, KeyCode::Enter);
        assert_eq!(input(&state), "/compare full 64 why?");
        control(&mut state, 'c');
        say(&mut state, "/compare 64");
        assert_eq!(input(&state), "/compare 64");

        let mut state = ready();
        say(&mut state, "/compare why?");
        compared(&mut state, "why?", &["full", "snapkv"]);
        state.update(gone());
        assert!(state.comparing(), "what there is stays");
        assert_eq!(press(&mut state, KeyCode::Char('r')), []);
        assert!(state.toast.take().unwrap().text.contains("restart"));
        assert_eq!(press(&mut state, KeyCode::Esc), []);
        assert!(!state.comparing());
    }
}

#[test]
fn a_comparison_is_not_repeated_before_the_model_is_ready() {
    let mut state = ready();
    say(&mut state, "/compare why?");
    compared(&mut state, "why?", &["full", "snapkv"]);
    tell(&mut state, Event::Loading { share: 0.5 });
    assert_eq!(press(&mut state, KeyCode::Char('r')), []);
    assert!(state.toast.take().unwrap().text.contains("not ready"));
    press(&mut state, KeyCode::Esc);
    assert!(!state.comparing());
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
fn one_of_the_compared_answers_becomes_the_turn() {
    use crate::engine::event::Role::{Assistant, User};
    let mut state = ready();
    said(&mut state, "one", "first");
    say(&mut state, "/compare two");
    compared(&mut state, "two", &["full", "snapkv"]);
    let key = Input::Key(KeyEvent::new(KeyCode::Char('2'), KeyModifiers::NONE));
    let effects = state.update(key);
    let mut now = vec![
        message(User, "one"),
        message(Assistant, "first"),
        message(User, "two"),
        message(Assistant, "answer snapkv"),
    ];
    assert!(effects.contains(&Effect::Engine(Command::Load(now.clone()))));
    assert_eq!(
        records(effects),
        [
            Record::User(vec![crate::session::Piece::Text("two".into())]),
            Record::Answer("answer snapkv".into()),
            Record::End(Ending::Complete),
        ]
    );
    assert!(!state.comparing());
    // The last question's answer gives way to the one that is kept.
    say(&mut state, "/compare 64");
    compared(&mut state, "two", &["full", "snapkv"]);
    let key = Input::Key(KeyEvent::new(KeyCode::Char('1'), KeyModifiers::NONE));
    let written = records(state.update(key));
    assert_eq!(written[0], Record::Truncate(2));
    assert_eq!(written.len(), 4);
    now[3] = message(Assistant, "answer full");
    assert_eq!(state.transcript(), now);
}

#[test]
fn copying_takes_the_text_and_the_code() {
    let mut state = ready();
    said(&mut state, "one", "See:\n\n```rust\nfn a() {}\n```\n");
    assert_eq!(
        say(&mut state, "/copy code"),
        [Effect::Copy("fn a() {}\n".into())]
    );
    let all = "See:\n\n```rust\nfn a() {}\n```".to_owned();
    assert_eq!(say(&mut state, "/copy"), [Effect::Copy(all.clone())]);
    let alt_up = KeyEvent::new(KeyCode::Up, KeyModifiers::ALT);
    state.update(Input::Key(alt_up));
    assert_eq!(press(&mut state, KeyCode::Char('y')), [Effect::Copy(all)]);
    state.update(Input::Key(alt_up));
    state.update(Input::Key(alt_up));
    assert_eq!(
        press(&mut state, KeyCode::Char('c')),
        [Effect::Copy("one".into())]
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
    assert!(asked.is_some_and(|t| t.contains("alpha") && t.starts_with("sum up")));
}

#[test]
fn an_earlier_conversation_is_shown_and_read_by_the_model() {
    use crate::engine::event::Role::{Assistant, User};
    let turn = crate::session::Turn {
        question: vec![crate::session::Piece::Text("one".into())],
        answer: Some("first".into()),
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
