//! Commands and keys.

use super::*;

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
        assert_eq!(input(&state), wrong, "it is there to be mended");
        control(&mut state, 'u');
    }
    assert_eq!(
        say(&mut state, "/file \"my notes.md\""),
        [Effect::Read(PathBuf::from("my notes.md"))]
    );
    assert_eq!(
        say(&mut state, "/set temperature 0"),
        [Effect::Engine(Command::SetSampling(PartialSampling {
            temperature: Some(0.0),
            ..PartialSampling::default()
        }))]
    );
    assert_eq!(say(&mut state, "/set temperature cold"), []);
    assert!(state.toast.is_some());
    assert_eq!(input(&state), "/set temperature cold");
    control(&mut state, 'u');
    let mut state = ready();
    assert_eq!(
        say(&mut state, "/etc/hosts says what?"),
        [ask("/etc/hosts says what?")]
    );
}

#[test]
fn commands_without_a_value_say_what_is_in_force_and_change_nothing() {
    let mut state = ready();
    for (command, said) in [
        ("/set", "the defaults: temperature 0.2"),
        ("/policy", "pooled-blend"),
        ("/budget", "1,024 entries"),
        ("/archive", "the archive is off"),
    ] {
        assert_eq!(say(&mut state, command), [], "{command}");
        assert_eq!(state.toast, None, "{command}");
        assert!(notes(&state).contains(said), "{command}: {}", notes(&state));
    }
    // Before there is a model, none is known.
    let (mut state, _) = State::new(Setup::default());
    for command in ["/policy", "/budget", "/archive"] {
        assert_eq!(say(&mut state, command), [], "{command}");
    }
    let said = notes(&state);
    assert_eq!(said.matches("once the model is ready").count(), 3, "{said}");
    assert!(!said.contains("entries") && !said.contains("off"), "{said}");
}

#[test]
fn nothing_is_saved_where_nothing_was_said() {
    let mut state = ready();
    for command in ["/save", "/export talk.json"] {
        assert_eq!(say(&mut state, command), [], "{command}");
        assert!(
            state
                .toast
                .take()
                .unwrap()
                .text
                .contains("nothing was said")
        );
    }
    said(&mut state, "one", "first");
    assert!(matches!(
        say(&mut state, "/save")[..],
        [Effect::Save { .. }]
    ));
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
fn what_would_change_the_conversation_waits_for_the_answer() {
    let mut state = ready();
    said(&mut state, "one", "first");
    say(&mut state, "two");
    for command in ["/new", "/open earlier", "/branch", "/edit", "/retry"] {
        assert_eq!(say(&mut state, command), [], "{command}");
        let toast = state.toast.take().unwrap().text;
        assert!(toast.contains("stop the answer first"), "{command}");
    }
    assert_eq!(state.transcript().len(), 4);
}

#[test]
fn the_home_folder_comes_from_outside() {
    let home = Some(PathBuf::from("/home/me"));
    let (mut state, _) = State::new(Setup {
        home,
        ..Setup::default()
    });
    let read = |path: &str| [Effect::Read(PathBuf::from(path))];
    assert_eq!(say(&mut state, "/file ~/a.md"), read("/home/me/a.md"));
    assert_eq!(say(&mut state, "/file ~me/a.md"), read("~me/a.md"));
    let (mut state, _) = State::new(Setup::default());
    assert_eq!(say(&mut state, "/file ~/a.md"), read("~/a.md"));
}

#[test]
fn the_budget_in_force_is_known_and_only_a_change_is_said() {
    let mut state = ready();
    let policy = PolicyInfo {
        budget: Budget::Share(0.25),
        ..PolicyInfo::default()
    };
    tell(&mut state, Event::PolicyChanged(policy));
    let note = state.conversation.entries().next_back().cloned();
    assert!(matches!(note, Some(Entry::Note { text, .. })
        if text == "from the next turn on: pooled-blend with 25% of what is read"));
    tell(&mut state, Event::InForce(InForce::Entries(1860)));
    assert_eq!(state.conversation.len(), 1);
    let known = state.dashboard.observed.policy.in_force;
    assert_eq!(known, InForce::Entries(1860));
    say(&mut state, "/budget");
    let note = state.conversation.entries().next_back().cloned();
    assert!(matches!(note, Some(Entry::Note { text, .. })
        if text.starts_with("pooled-blend: 25%, 1,860 entries per KV head")));
}

#[test]
fn a_policy_that_keeps_everything_does_not_bring_back_what_is_gone() {
    let unbounded = || {
        Event::PolicyChanged(PolicyInfo {
            preset: Preset::FULL,
            in_force: InForce::Unbounded,
            ..PolicyInfo::default()
        })
    };
    let mut state = ready();
    tell(&mut state, unbounded());
    assert!(notes(&state).ends_with("full, nothing is evicted"));
    let picture = crate::engine::event::CachePicture {
        used_bytes: 7,
        full_bytes: 100,
        ..Default::default()
    };
    state.update(Input::Picture(picture));
    tell(&mut state, unbounded());
    let said = notes(&state);
    assert!(
        said.contains("nothing more is evicted") && said.contains("/retry"),
        "{said}"
    );
    // The archive has it still.
    let archived = crate::engine::event::Archived {
        tokens: 100,
        ..Default::default()
    };
    tell(&mut state, Event::Archive(Box::new(archived)));
    tell(&mut state, unbounded());
    assert!(notes(&state).ends_with("comes back from the archive"));
}

#[test]
fn a_bare_system_shows_the_prompt_and_none_takes_it_away() {
    let (mut state, _) = State::new(Setup {
        system: Some("Be brief.".into()),
        ..Setup::default()
    });
    tell(&mut state, ready_event());
    assert_eq!(say(&mut state, "/system"), []);
    assert!(notes(&state).contains("system prompt: Be brief."));
    let set = |text: &str| [Effect::Engine(Command::SetSystem(text.into()))];
    assert_eq!(say(&mut state, "/system Be long."), set("Be long."));
    assert_eq!(state.system.next.as_deref(), Some("Be long."));
    assert_eq!(say(&mut state, "/system none"), set(""));
    say(&mut state, "/system");
    assert!(notes(&state).contains("there is no system prompt"));
}

#[test]
fn a_temperature_that_gives_noise_is_refused() {
    let mut state = ready();
    assert_eq!(say(&mut state, "/set temperature 9"), []);
    let toast = state.toast.take().unwrap().text;
    assert!(toast.contains("a number from 0 to 2, not `9`"), "{toast}");
    assert_eq!(state.sampling.yours, PartialSampling::default());
}

#[test]
fn a_theme_that_was_only_looked_at_does_not_stay() {
    use crate::tui::theme::{Depth, Theme};
    let themes = ["cachat-dark", "cachat-light"];
    let themes = themes.map(|n| Theme::built_in(n, Depth::True).unwrap());
    let (mut state, _) = State::new(Setup {
        themes: themes.to_vec(),
        ..Setup::default()
    });
    let type_in = |state: &mut State, text: &str| {
        for c in text.chars() {
            press(state, KeyCode::Char(c));
        }
    };
    let leave: [fn(&mut State); 3] = [
        |state| drop(press(state, KeyCode::Esc)),
        |state| drop(control(state, 'c')),
        |state| drop(control(state, 'u')),
    ];
    for typed in ["/theme cachat-l", "/theme cachat-light"] {
        for leave in leave {
            type_in(&mut state, typed);
            assert_eq!(state.theme().name, "cachat-light", "{typed} is looked at");
            leave(&mut state);
            assert_eq!(state.theme().name, "cachat-dark", "{typed} was left");
            control(&mut state, 'u');
        }
    }
    assert_eq!(say(&mut state, "/theme cachat-l"), []);
    assert_eq!(state.theme().name, "cachat-light");
}

#[test]
fn a_saved_file_is_named_for_good() {
    let mut state = ready();
    state.update(Input::Saved(Ok("/home/me/talk.md".into())));
    assert!(notes(&state).contains("saved as /home/me/talk.md"));
}
