//! Another model: loaded beside the one that answers, and switched to when it is ready.

use super::*;

fn coming(state: &mut State, event: Event) -> Vec<Effect> {
    without_records(state.update(Input::Coming(Some(Box::new(event)))))
}

fn fatal(why: &str) -> Event {
    Event::Fatal(why.into())
}

fn running(name: &str) -> State {
    let mut state = ready();
    state.dashboard.observed.model.as_mut().unwrap().name = name.into();
    state
}

#[test]
fn a_model_that_cannot_be_had_leaves_the_one_that_works() {
    let mut state = running("tiny");
    said(&mut state, "one", "first");
    let effects = say(&mut state, "/model typo");
    assert_eq!(effects, [Effect::Model("typo".into())]);
    assert!(notes(&state).contains("tiny goes on answering until typo is ready"));
    assert!(notes(&state).contains("both are in memory"));
    // It answers meanwhile.
    assert_eq!(say(&mut state, "two"), [ask("two")]);
    coming(&mut state, Event::Loading { share: 0.5 });
    assert_eq!(state.activity.phase, Phase::Asked);
    assert_eq!(coming(&mut state, fatal("there is no file typo")), []);
    assert!(notes(&state).contains("there is no file typo\ntiny goes on."));
    tell(&mut state, started());
    tell(&mut state, finished(Stop::Eos, 3));
    assert_eq!(state.transcript().len(), 4);
    assert_eq!(say(&mut state, "three"), [ask("three")]);
    // Also where it ends without a word.
    say(&mut state, "/model other");
    state.update(Input::Coming(None));
    assert!(
        state.coming.is_none()
            && notes(&state).contains("the engine of other ended\ntiny goes on.")
    );
}

#[test]
fn the_switch_waits_for_the_answer_and_takes_the_conversation_along() {
    let mut state = running("tiny");
    said(&mut state, "one", "first");
    say(&mut state, "/set temperature 0");
    let policy = PolicyInfo {
        preset: Preset::SNAPKV,
        ..PolicyInfo::default()
    };
    tell(&mut state, Event::PolicyChanged(policy));
    say(&mut state, "two");
    tell(&mut state, started());
    say(&mut state, "/model large");
    say(&mut state, "three");
    assert_eq!(coming(&mut state, ready_event()), [], "the answer runs");
    let effects = tell(&mut state, finished(Stop::Eos, 3));
    let Effect::Engine(Command::SetPolicy { policy, .. }) = &effects[1] else {
        panic!("{effects:?}");
    };
    assert_eq!(effects[0], Effect::Switch);
    assert_eq!(*policy, Some(Preset::SNAPKV));
    let sampled = |e: &Effect| matches!(e, Effect::Engine(Command::SetSampling(s)) if s.temperature == Some(0.0));
    assert!(effects.iter().any(sampled));
    let said = |e: &Effect| matches!(e, Effect::Engine(Command::Load(m)) if m.len() == 4);
    assert!(effects.iter().any(said), "what was said so far");
    // What waited is asked of the new one.
    assert_eq!(effects.last(), Some(&ask("three")));
    assert!(state.coming.is_none());
    assert!(notes(&state).contains("answers from now on; what was said is read"));
}

#[test]
fn without_a_model_one_is_started_and_nothing_hangs() {
    let mut state = running("tiny");
    said(&mut state, "one", "first");
    tell(&mut state, fatal("a fault"));
    state.update(Input::EngineGone);
    for command in ["/retry", "/continue", "why?"] {
        assert_eq!(say(&mut state, command), [], "{command}");
        let toast = state.toast.take().unwrap().text;
        assert!(toast.contains("/model starts one"), "{command}: {toast}");
        assert!(!state.activity.phase.busy(), "{command}");
        control(&mut state, 'u');
    }
    assert_eq!(state.transcript().len(), 2, "nothing was taken back");
    assert_eq!(
        say(&mut state, "/model small"),
        [Effect::Model("small".into())]
    );
    assert_eq!(say(&mut state, "two"), [], "it waits");
    coming(&mut state, Event::Loading { share: 0.5 });
    assert_eq!(state.activity.phase, Phase::Loading(0.5));
    coming(&mut state, fatal("it is damaged"));
    assert_eq!(state.activity.phase, Phase::Ended);
    assert_eq!(input(&state), "two", "nothing typed is lost");
    control(&mut state, 'u');
    say(&mut state, "/model small");
    say(&mut state, "two");
    let effects = coming(&mut state, ready_event());
    assert_eq!(effects[0], Effect::Switch);
    assert_eq!(effects.last(), Some(&ask("two")));
}

#[test]
fn a_model_on_its_way_is_waited_for_where_the_other_ends() {
    let mut state = running("tiny");
    say(&mut state, "/model small");
    coming(&mut state, Event::Loading { share: 0.5 });
    tell(&mut state, fatal("a fault"));
    state.update(Input::EngineGone);
    assert_eq!(state.activity.phase, Phase::Loading(0.5));
    assert_eq!(coming(&mut state, ready_event())[0], Effect::Switch);
    assert_eq!(say(&mut state, "one"), [ask("one")]);
}

#[test]
fn the_system_prompt_goes_along() {
    let mut state = running("tiny");
    say(&mut state, "/system Be brief.");
    say(&mut state, "/new");
    say(&mut state, "/system Be long.");
    say(&mut state, "/model other");
    let effects = coming(&mut state, ready_event());
    let set = |text: &str| Effect::Engine(Command::SetSystem(text.into()));
    let at = |wanted: &Effect| effects.iter().position(|e| e == wanted).unwrap();
    let (here, next) = (at(&set("Be brief.")), at(&set("Be long.")));
    let begun = at(&Effect::Engine(Command::Reset));
    assert!(here < begun && begun < next, "{effects:?}");
}

#[test]
fn the_first_start_tells_of_a_better_model() {
    let first = |fetched: bool| {
        let (mut state, _) = State::new(Setup::default());
        if fetched {
            let fetching = Event::Fetching {
                what: "x".into(),
                done: 1,
                total: None,
            };
            tell(&mut state, fetching);
        }
        let Event::Ready { mut model, policy } = ready_event() else {
            unreachable!();
        };
        model.name = "SmolLM2-135M-Instruct".into();
        let effects = tell(&mut state, Event::Ready { model, policy });
        assert_eq!(effects.contains(&Effect::Models), fetched);
        let found = Box::new(crate::tui::state::models::example());
        state.update(Input::Models(found));
        notes(&state)
    };
    let said = first(true);
    assert!(
        said.contains("room for a better model: qwen3-4b (2.33 GiB to fetch), 2.93 GiB of memory")
            && said.contains("/model qwen3-4b takes it"),
        "{said}"
    );
    assert_eq!(first(false), "");
}

#[test]
fn a_long_text_for_a_small_model_is_warned_of_once() {
    let mut state = ready();
    let counted = |tokens| Event::Counted { tag: 1, tokens };
    let long = |state: &State| notes(state).matches("very small").count();
    tell(&mut state, counted(9000));
    assert_eq!(long(&state), 0, "somebody chose it");
    let model = state.dashboard.observed.model.as_mut().unwrap();
    model.name = "SmolLM2-135M-Instruct".into();
    tell(&mut state, counted(900));
    assert_eq!(long(&state), 0);
    tell(&mut state, counted(9000));
    tell(&mut state, counted(9000));
    assert_eq!(long(&state), 1);
}

#[test]
fn the_model_that_answers_is_not_loaded_again() {
    let mut state = ready();
    let model = state.dashboard.observed.model.as_mut().unwrap();
    model.path = "/models/smollm2-135m.gguf".into();
    state.update(Input::Models(
        Box::new(crate::tui::state::models::example()),
    ));
    assert_eq!(say(&mut state, "/model smollm2-135m"), []);
    assert!(state.coming.is_none());
}

#[test]
fn esc_leaves_nothing_of_the_list_of_models() {
    let mut state = running("tiny");
    let alt = KeyEvent::new(KeyCode::Char('m'), KeyModifiers::ALT);
    state.update(Input::Key(alt));
    let catalogue = crate::tui::state::models::example();
    state.update(Input::Models(Box::new(catalogue)));
    assert!(!state.popup().is_empty());
    press(&mut state, KeyCode::Esc);
    assert!(state.composer.is_empty() && state.popup().is_empty());
    // A path that is being typed stays.
    state.composer.buffer.insert("/model ./mo");
    press(&mut state, KeyCode::Esc);
    assert_eq!(state.composer.buffer.text(), "/model ./mo");
}
