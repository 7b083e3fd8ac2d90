//! What Enter makes of what is typed while the popup offers something.

use super::*;

fn type_in(state: &mut State, text: &str) -> Vec<Effect> {
    let mut last = Vec::new();
    for c in text.chars() {
        last = state.update(Input::Key(KeyEvent::new(
            KeyCode::Char(c),
            KeyModifiers::NONE,
        )));
    }
    last
}

fn listed(state: &mut State, prefix: &str, names: &[(&str, bool)]) {
    let name = |&(name, folder): &(&str, bool)| Name {
        name: name.into(),
        folder,
    };
    state.update(Input::Listed(Listing {
        prefix: prefix.into(),
        names: names.iter().map(name).collect(),
        more: 0,
    }));
}

#[test]
fn enter_takes_the_first_line_of_the_popup() {
    let mut state = ready();
    // A command that needs nothing is done, another waits for what it needs.
    let effects = say(&mut state, "/ne");
    assert!(effects.contains(&Effect::Engine(Command::Reset)));
    assert_eq!(say(&mut state, "/po"), []);
    assert_eq!(input(&state), "/policy ");
    let policy = |preset| {
        [Effect::Engine(Command::SetPolicy {
            policy: Some(preset),
            budget: None,
        })]
    };
    assert_eq!(say(&mut state, "ada-p"), policy(Preset::ADA_PYRAMIDKV));
    assert_eq!(say(&mut state, "/policy str"), policy(Preset::STREAMING));
    type_in(&mut state, "/file ~/rep");
    listed(&mut state, "~/rep", &[("report.pdf", false)]);
    let read = Effect::Read(PathBuf::from("~/report.pdf"));
    assert_eq!(press(&mut state, KeyCode::Enter), [read]);
}

#[test]
fn the_popup_begins_at_the_value_in_force_and_enter_keeps_it() {
    let mut state = ready();
    type_in(&mut state, "/policy ");
    let lines = state.popup();
    let at = state.picked(lines.len()).unwrap();
    assert_eq!(lines[at].label, "pooled-blend");
    assert!(lines[at].hint.starts_with("in force · "), "{:?}", lines[at]);
    assert!(lines.iter().filter(|l| l.hint.contains("in force")).count() == 1);
    let policy = |preset| {
        [Effect::Engine(Command::SetPolicy {
            policy: Some(preset),
            budget: None,
        })]
    };
    let kept = press(&mut state, KeyCode::Enter);
    assert_eq!(kept, policy(Preset::POOLED_BLEND));
    // From there keys go up and down, and not into the history.
    type_in(&mut state, "/policy ");
    press(&mut state, KeyCode::Up);
    assert_eq!(press(&mut state, KeyCode::Enter), policy(Preset::ADA_BLEND));
    type_in(&mut state, "/policy ");
    for _ in 0..40 {
        press(&mut state, KeyCode::Up);
    }
    assert_eq!(press(&mut state, KeyCode::Enter), policy(Preset::FULL));
    // One that is not in the list is there as well; before a model is, none is in force.
    let quarter = PolicyInfo {
        budget: "300".parse().unwrap(),
        ..PolicyInfo::default()
    };
    tell(&mut state, Event::PolicyChanged(quarter));
    type_in(&mut state, "/budget ");
    let lines = state.popup();
    let first = (lines[0].label.as_str(), lines[0].hint.as_str());
    assert_eq!(first, ("300", "in force"));
    let (mut state, _) = State::new(Setup::default());
    type_in(&mut state, "/policy ");
    assert_eq!(state.picked(state.popup().len()), Some(0));
}

#[test]
fn a_folder_is_gone_into_and_a_mention_is_written_out() {
    let mut state = ready();
    type_in(&mut state, "/file no");
    listed(&mut state, "no", &[("notes", true), ("notes.md", false)]);
    let effects = state.update(Input::Key(KeyCode::Enter.into()));
    assert_eq!(input(&state), "/file notes/");
    assert_eq!(effects, [Effect::List("notes/".into())]);
    control(&mut state, 'u');
    type_in(&mut state, "sum up @min");
    listed(&mut state, "min", &[("minutes.md", false)]);
    assert_eq!(press(&mut state, KeyCode::Enter), []);
    assert_eq!(input(&state), "sum up @minutes.md");
    let mention = || [Effect::Mention("minutes.md".into())];
    assert_eq!(press(&mut state, KeyCode::Enter), mention());
    // Also in the question of a command, which goes on behind it.
    control(&mut state, 'u');
    type_in(&mut state, "/compare 64 what says @min");
    listed(&mut state, "min", &[("minutes.md", false)]);
    assert_eq!(press(&mut state, KeyCode::Enter), []);
    assert_eq!(input(&state), "/compare 64 what says @minutes.md");
    assert_eq!(press(&mut state, KeyCode::Enter), mention());
}

#[test]
fn what_does_as_it_stands_is_taken_as_it_stands() {
    let mut state = ready();
    let policy = |policy, budget| Effect::Engine(Command::SetPolicy { policy, budget });
    let budget = Some(Budget::Tokens(51));
    assert_eq!(say(&mut state, "/budget 51"), [policy(None, budget)]);
    let alias = Some(Preset::ADA_SNAPKV);
    assert_eq!(say(&mut state, "/policy ada-snap"), [policy(alias, None)]);
    // Its own name is the beginning of another's.
    type_in(&mut state, "/file a.md");
    listed(&mut state, "a.md", &[("a.md", false), ("a.md.bak", false)]);
    let read = Effect::Read(PathBuf::from("a.md"));
    assert_eq!(press(&mut state, KeyCode::Enter), [read]);
    let mut state = ready();
    // Nothing new is written over what is there.
    said(&mut state, "one", "first");
    type_in(&mut state, "/save no");
    listed(&mut state, "no", &[("notes.md", false)]);
    let effects = press(&mut state, KeyCode::Enter);
    assert!(matches!(&effects[..], [Effect::Save { path, .. }] if path == "no"));
    // Bare commands do what they do; Tab writes them out.
    assert_eq!(say(&mut state, "/policy"), []);
    assert!(!state.conversation.is_empty() && input(&state).is_empty());
    type_in(&mut state, "/policy");
    press(&mut state, KeyCode::Tab);
    assert_eq!(input(&state), "/policy ");
    // Closed, the popup takes no part.
    control(&mut state, 'u');
    type_in(&mut state, "/ne");
    press(&mut state, KeyCode::Esc);
    assert_eq!(press(&mut state, KeyCode::Enter), []);
    assert!(state.toast.take().unwrap().text.contains("no command /ne"));
}

#[test]
fn the_history_goes_on_past_a_command() {
    let mut state = ready();
    state.screen.areas.input.width = 60;
    said(&mut state, "one", "first");
    say(&mut state, "/policy");
    said(&mut state, "two", "second");
    type_in(&mut state, "a draft");
    let walk = [
        (KeyCode::Up, "two"),
        (KeyCode::Up, "/policy"),
        (KeyCode::Up, "one"),
        (KeyCode::Down, "/policy"),
        (KeyCode::Down, "two"),
        (KeyCode::Down, "a draft"),
        (KeyCode::Up, "two"),
        (KeyCode::Up, "/policy"),
    ];
    for (key, recalled) in walk {
        assert_eq!(press(&mut state, key), []);
        assert_eq!(input(&state), recalled);
    }
    // What is changed is a command that is being typed.
    press(&mut state, KeyCode::Backspace);
    press(&mut state, KeyCode::Down);
    assert_eq!((input(&state), state.popup.choice), ("/polic", Some(0)));
}

#[test]
fn every_argument_is_completed() {
    for command in command::COMMANDS {
        let takes = !command.argument.is_empty();
        assert_eq!(takes, command.completer().is_some(), "/{}", command.name);
    }
    let mut state = ready();
    say(&mut state, "/set temperature 0.5");
    let texts = |state: &mut State, typed: &str| -> Vec<String> {
        control(state, 'u');
        type_in(state, typed);
        state.popup().into_iter().map(|c| c.text).collect()
    };
    let values = ["/set temperature 0.5", "/set temperature 0.2"];
    assert_eq!(texts(&mut state, "/set temperature "), values);
    let words = ["/compare full ada-reach "];
    assert_eq!(texts(&mut state, "/compare full ada-r"), words);
    assert_eq!(texts(&mut state, "/compare why a").len(), 0, "a question");
    assert_eq!(texts(&mut state, "/system n"), ["/system none"]);
    // No file is written over: those that are there are not offered.
    for command in ["save", "export"] {
        texts(&mut state, &format!("/{command} a/no"));
        listed(&mut state, "a/no", &[("no.md", false), ("notes", true)]);
        let offered: Vec<String> = state.popup().into_iter().map(|c| c.text).collect();
        assert_eq!(offered, [format!("/{command} a/notes/")]);
    }
}

#[test]
fn models_are_looked_for_when_they_are_asked_for() {
    let mut state = ready();
    assert_eq!(type_in(&mut state, "/model "), [Effect::Models]);
    state.update(Input::Models(
        Box::new(crate::tui::state::models::example()),
    ));
    let hint = "fits   186 MiB    ~118   8.2k  93.8 MiB huggingface";
    let lines = state.popup();
    assert!(lines.iter().any(|l| l.hint == hint), "{lines:?}");
    type_in(&mut state, "0.6");
    assert_eq!(state.popup().len(), 1, "typing filters");
    let picked = press(&mut state, KeyCode::Enter);
    assert_eq!(picked, [Effect::Model("ollama:qwen3:0.6b".into())]);
    // Without a name, and by its key, the list opens; it does not take the place of what is written.
    let mut state = ready();
    assert_eq!(say(&mut state, "/model"), [Effect::Models]);
    assert_eq!(state.composer.buffer.text(), "/model ");
    control(&mut state, 'u');
    let alt = KeyEvent::new(KeyCode::Char('m'), KeyModifiers::ALT);
    assert_eq!(state.update(Input::Key(alt)), [Effect::Models]);
    control(&mut state, 'u');
    type_in(&mut state, "a question");
    state.update(Input::Key(alt));
    assert_eq!(state.composer.buffer.text(), "a question");
    control(&mut state, 'u');
    let asked = type_in(&mut state, "/model ./mo");
    assert_eq!(asked, [Effect::List("./mo".into())]);
}
