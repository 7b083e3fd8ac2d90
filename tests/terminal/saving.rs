//! What was said is saved, also where the disk or the terminal gives up.

use super::pty::App;
use super::talkative;

const ARGS: [&str; 2] = ["--max-tokens", "60"];

/// The same answer, saved without trouble.
fn undisturbed(tokens: &str) -> String {
    let home = talkative();
    let args = ["--max-tokens", tokens];
    let mut app = App::start_in(home.clone(), (100, 30), &args, &[]).ready();
    app.say("remember me");
    app.until(&format!("{tokens} tokens"));
    app.leave();
    home.answer()
}

#[test]
fn a_full_disk_is_said_for_as_long_as_it_lasts_and_nothing_is_lost() {
    for fault in ["full", "io", "readonly", "sync"] {
        let home = talkative();
        let mut app = App::start_in(home.clone(), (100, 30), &ARGS, &[]).ready();
        home.file("disk", fault);
        app.say("remember me");
        app.until("60 tokens");
        app.until("not saved");
        app.until("this conversation is not being saved");
        // A message does not take the mark's place, nor does what else happens.
        app.say("/copy nothing");
        app.until("/copy code");
        app.until("not saved");
        std::fs::remove_file(home.path("disk")).unwrap();
        app.gone("not saved");
        assert_eq!(home.answer(), undisturbed("60"), "{fault}");
        app.leave();
    }
}

#[test]
fn the_end_of_a_running_answer_is_written_before_leaving() {
    for signal in ["TERM", "HUP"] {
        let home = talkative();
        let args = ["--max-tokens", "100000"];
        let mut app = App::start_in(home.clone(), (100, 30), &args, &[]).ready();
        home.hold("answer 20");
        app.say("remember me");
        app.until("answering 20");
        app.signal(signal);
        assert_eq!(app.ended(), 130);
        app.assert_restored();
        // A character may still lack its last byte.
        let (saved, whole) = (home.answer(), undisturbed("20"));
        assert!(
            !saved.is_empty() && whole.starts_with(&saved),
            "{saved:?} of {whole:?}"
        );
        assert!(whole.len() - saved.len() < 4, "{saved:?} of {whole:?}");
    }
}

#[test]
fn what_cannot_be_saved_is_said_when_it_is_left() {
    let home = talkative();
    let mut app = App::start_in(home.clone(), (100, 30), &ARGS, &[]).ready();
    home.file("disk", "full");
    app.say("remember me");
    app.until("60 tokens");
    app.send("\x04");
    assert_eq!(app.ended(), 1);
    app.assert_restored();
    app.until("could not be saved");
    // Nothing that looks like a conversation is left.
    assert!(home.sessions().is_empty());
}

/// A model's file that is cut short while it is in use, and what no program can go on from.
#[test]
fn a_fault_that_ends_it_gives_the_terminal_back_and_says_why() {
    for (signal, why) in [
        ("BUS", "was cut short or replaced"),
        ("ABRT", "out of memory"),
    ] {
        let mut app = App::start_in(talkative(), (100, 30), &["--max-tokens", "3"], &[]).ready();
        app.say("hello");
        app.until("3 tokens");
        app.signal_until_ended(signal);
        assert_eq!(app.ended(), 1, "{signal}");
        app.assert_restored();
        app.until(why);
    }
    let spec = cachat::testing::TinySpec {
        endless: true,
        ..cachat::testing::TinySpec::qwen2()
    };
    for all in [true, false] {
        let home = super::pty::Home::with(&spec);
        let mut app = App::start_in(home.clone(), (100, 30), &["--max-tokens", "3"], &[]).ready();
        app.until("ctx ");
        let path = home.path("tiny.gguf");
        let model = std::fs::read(&path).unwrap();
        // As `cp` does: cut, then written anew.
        std::fs::write(&path, if all { &model[..] } else { &[] }).unwrap();
        app.say("hello");
        app.until("was changed while");
        app.leave();
    }
}
