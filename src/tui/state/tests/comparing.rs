//! One question under several policies.

use super::*;

fn compare_event(state: &mut State, event: CompareEvent) -> Vec<Effect> {
    state.update(Input::Engine(Event::Compare(event)))
}

fn a_run(policy: &str, answer: &str) -> crate::engine::compare::PolicyRun {
    crate::engine::compare::PolicyRun {
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
        left_out: false,
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
fn a_text_that_fits_is_told_and_only_a_smaller_budget_is_proposed() {
    let within = |position, budget| {
        let plan = crate::engine::compare::Plan {
            question: "why?".into(),
            policies: vec![("full".into(), None), ("snapkv".into(), Some(budget))],
            prompt_tokens: position,
            position,
            past: crate::engine::compare::Past::Empty,
            left_out: false,
            max_tokens: 9,
        };
        let told = crate::report::compare::conditions(&plan);
        let mut state = ready();
        say(&mut state, "/compare why?");
        compare_event(&mut state, CompareEvent::Started(Box::new(plan)));
        let shown = state.comparison.unwrap().within();
        assert_eq!(
            shown.is_some(),
            told.contains("nothing is evicted"),
            "{told}"
        );
        shown
    };
    assert_eq!(within(400, 128), None);
    let told = within(400, 512).unwrap();
    assert!(told.ends_with("Try /compare 100"), "{told}");
    let told = within(48, 64).unwrap();
    assert!(told.contains("48 tokens fit the budget of 64"), "{told}");
    assert!(!told.contains("Try"), "{told}");
}

#[test]
fn without_names_the_policy_in_force_is_compared() {
    use crate::engine::event::Compare;
    let beside = |name: &str| {
        let both = Compare::beside(name.parse().unwrap());
        both.iter().map(|p| p.name()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(beside("ada-snapkv"), "snapkv ada-snapkv");
    assert_eq!(beside("pooled-blend"), "blend pooled-blend");
    assert_eq!(beside("snapkv"), "snapkv pooled-blend");
    assert_eq!(beside("full"), "blend pooled-blend");
    let mut state = ready();
    let policy = PolicyInfo {
        preset: Preset::ADA_REACH,
        ..PolicyInfo::default()
    };
    tell(&mut state, Event::PolicyChanged(policy));
    let effects = say(&mut state, "/compare why?");
    let asked = effects.iter().find_map(|e| match e {
        Effect::Engine(Command::Compare(wish)) => wish.policies.last().copied(),
        _ => None,
    });
    assert_eq!(asked, Some(Preset::ADA_REACH));
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
            policies: vec![Preset::BLEND, Preset::POOLED_BLEND],
            budget,
            max_tokens: 256,
        }))
    };
    assert_eq!(
        say(&mut state, "/compare 64"),
        [wish(None, Some(Budget::Tokens(64)))]
    );
    assert!(state.comparing() && state.activity.phase.busy());
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
    assert!(!state.comparing() && !state.activity.phase.busy());
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
        assert!(!state.comparing() && !state.activity.phase.busy());
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
        assert!(
            state
                .toast
                .take()
                .unwrap()
                .text
                .contains("/model starts one")
        );
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
            Record::User(vec![crate::saved::Piece::Text("two".into())]),
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
fn a_policy_that_there_is_not_is_no_question() {
    let mut state = ready();
    assert_eq!(say(&mut state, "/compare foo 64 hi"), []);
    assert!(!state.comparing());
    assert!(notes(&state).contains("there is no policy 'foo'"));
    assert_eq!(input(&state), "/compare foo 64 hi", "it waits to be mended");
}

#[test]
fn what_is_attached_goes_along_with_a_comparison_and_waits_for_other_commands() {
    let mut state = ready();
    let document = crate::document::from_bytes("a.md", b"alpha");
    state.update(Input::Read(Box::new(document)));
    let policy = say(&mut state, "/policy snapkv");
    assert!(matches!(
        &policy[..],
        [Effect::Engine(Command::SetPolicy { .. })]
    ));
    let effects = say(&mut state, "/compare 64 what is it?");
    let [Effect::Engine(Command::Compare(wish))] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(wish.budget, Some(Budget::Tokens(64)));
    let question = wish.question.as_deref().unwrap();
    assert!(question.contains("alpha") && question.ends_with("what is it?"));
    // Also the file alone.
    compare_event(&mut state, CompareEvent::Failed("no room".into()));
    control(&mut state, 'u');
    let document = crate::document::from_bytes("a.md", b"alpha");
    state.update(Input::Read(Box::new(document)));
    let effects = say(&mut state, "/compare");
    assert!(
        matches!(&effects[..], [Effect::Engine(Command::Compare(wish))]
        if wish.question.as_deref().is_some_and(|q| q.contains("alpha") && !q.contains('/')))
    );
}

#[test]
fn where_the_earlier_answer_is_left_out_it_is_said_and_replaced() {
    let mut state = ready();
    said(&mut state, "one", "first");
    say(&mut state, "/compare one");
    let plan = crate::engine::compare::Plan {
        question: "one".into(),
        policies: vec![("full".into(), None)],
        prompt_tokens: 10,
        position: 10,
        past: crate::engine::compare::Past::Empty,
        left_out: true,
        max_tokens: 9,
    };
    compare_event(&mut state, CompareEvent::Started(Box::new(plan)));
    let past = state.comparison.as_ref().unwrap().past();
    assert!(past.contains("earlier answer is left out"), "{past}");
    let result = Box::new(a_run("full", "another"));
    compare_event(&mut state, CompareEvent::Finished { run: 0, result });
    compare_event(&mut state, CompareEvent::Ended { stopped: false });
    press(&mut state, KeyCode::Char('1'));
    use crate::engine::event::Role::{Assistant, User};
    let now = [message(User, "one"), message(Assistant, "another")];
    assert_eq!(state.transcript(), now);
}
