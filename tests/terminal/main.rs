//! The app end to end: keys in, a screen out, and the terminal as it was afterwards.
#![cfg(unix)]

mod ends;
mod flood;
mod models;
mod pty;
mod saving;
mod stop;
mod turns;

use std::time::Duration;

use cachat::testing::TinySpec;
use pty::{App, Home};

/// A model that answers as long as it may.
fn talkative() -> Home {
    Home::with(&TinySpec {
        endless: true,
        context: 1 << 17,
        ..TinySpec::llama()
    })
}

fn words(bytes: usize) -> String {
    "some words of a long text\n".repeat(bytes / 26 + 1)
}

#[test]
fn asks_answers_and_leaves() {
    let mut app = App::start_in(talkative(), (120, 40), &["--max-tokens", "40"], &[]).ready();
    for panel in ["budgets", "memory", "evictions"] {
        app.until(panel);
    }
    app.say("hello there");
    app.until("40 tokens");
    app.say("/new");
    app.gone("40 tokens");
    app.send("\x04");
    assert_eq!(app.ended(), 0);
    app.assert_restored();
}

#[test]
fn a_question_on_the_command_line_is_asked_at_once() {
    let app = App::start_in(
        talkative(),
        (80, 24),
        &["--max-tokens", "12", "what is this?"],
        &[],
    );
    app.until("12 tokens");
    app.until("what is this?");
    app.leave();
}

#[test]
fn a_small_budget_is_evicted_and_said() {
    let mut app = App::start(
        (120, 40),
        &["--budget", "16", "--slack", "8", "--max-tokens", "60"],
    );
    app.until("? help");
    app.say("one two three four five six seven eight nine ten eleven twelve");
    app.until("60 tokens");
    app.until("per head");
    app.leave();
}

#[test]
fn ctrl_c_stops_and_twice_leaves() {
    let home = talkative();
    let mut app = App::start_in(home, (80, 24), &["--max-tokens", "100000"], &[]).ready();
    app.home.hold("answer 40");
    app.say("go on for ever");
    app.until("answering 40");
    app.send("\x03");
    app.until("stopped");
    app.until("? help");
    std::thread::sleep(Duration::from_millis(2100));
    app.send("\x03");
    app.until("again leaves");
    app.send("\x03");
    assert_eq!(app.ended(), 0);
    app.assert_restored();
}

#[test]
fn what_is_typed_while_it_answers_is_asked_next() {
    let home = talkative();
    let mut app = App::start_in(home.clone(), (100, 30), &["--max-tokens", "60"], &[]).ready();
    home.hold("answer 40");
    app.say("first");
    app.until("answering 40");
    app.say("second");
    app.until("1 message waits");
    home.open();
    app.until_that("the second answer", |s| {
        s.matches("60 tokens").count() == 2 && s.contains("second")
    });
    app.leave();
}

#[test]
fn the_first_part_that_fits_is_taken_on_one_key() {
    let home = Home::new();
    home.file(
        "contract.pdf",
        cachat::testing::pdf::document(&["a clause of the contract\n".repeat(6).as_str(); 30]),
    );
    let mut app = App::start_in(home, (120, 40), &["--max-tokens", "4"], &[]).ready();
    app.say("/file contract.pdf");
    app.until("contract.pdf · 30 pages");
    app.until("Enter shows what can be done");
    app.send("?\r");
    app.until("This does not fit.");
    app.until("/file PATH 1-");
    app.until("take the first 1,");
    app.send("\r");
    app.until("Enter sends it");
    app.until("contract.pdf, first part · 1,");
    app.send("\r");
    app.until("4 tokens");
    app.leave();
}

#[test]
fn escape_sequences_are_shown_not_obeyed() {
    let home = Home::new();
    home.file(
        "evil.txt",
        "\x1b]0;owned\x07\x1b[2J\x1b[31mred\u{9b}5m and more text\n",
    );
    let mut app = App::start_in(home, (100, 30), &["--max-tokens", "4"], &[]).ready();
    app.paste("\x1b]0;owned\x07 \x1b[31mred");
    app.until("red");
    app.send("\r");
    app.until("4 tokens");
    app.say("/file evil.txt");
    app.until("[evil.txt");
    let raw = app.raw();
    assert!(!raw.contains("\x1b]0;"), "a title was set");
    assert!(!raw.contains('\u{9b}'), "a C1 control got through");
    app.leave();
}

#[test]
fn a_model_that_cannot_be_opened_is_said_in_the_app() {
    let home = Home::new();
    let text = home.file(
        "notes.gguf",
        "this is no model, only text that someone named so\n",
    );
    let whole = std::fs::read(home.path("tiny.gguf")).unwrap();
    let cut = home.file("cut.gguf", &whole[..whole.len() / 2]);
    let missing = home.path("missing.gguf");
    for model in [text, cut, missing] {
        let app = App::with_model(home.clone(), &model, (100, 30), &[], &[]);
        app.until("no model is running");
        let name = model.file_name().unwrap().to_string_lossy().into_owned();
        app.until(&name);
        app.leave();
    }
}

#[test]
fn files_are_found_while_they_are_typed_and_sent_when_mentioned() {
    let home = talkative();
    home.file("minutes.md", "what was decided\n".repeat(40));
    let mut app = App::start_in(home, (100, 30), &["--max-tokens", "5"], &[]).ready();
    app.send("sum up @min");
    app.until("minutes.md");
    app.send("\t");
    app.until("@minutes.md");
    app.send("\r");
    app.until("[minutes.md");
    app.until("5 tokens");
    app.leave();
}

#[test]
fn the_conversation_is_searched() {
    let mut app = App::start_in(talkative(), (100, 30), &["--max-tokens", "3"], &[]).ready();
    app.say("a needle in here");
    app.until("3 tokens");
    app.send("\x06needle");
    app.until("1 line");
    app.send("s");
    app.until("not found");
    app.send("\x1b");
    app.until("? help");
    app.leave();
}

#[test]
fn an_editor_of_ones_own() {
    let home = talkative();
    let script = home.file(
        "editor.sh",
        "#!/bin/sh\nprintf 'written elsewhere' > \"$1\"\n",
    );
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let editor = script.display().to_string();
    let mut app = App::start_in(home, (100, 30), &[], &[("EDITOR", &editor)]).ready();
    app.send("\x07");
    app.until("written elsewhere");
    app.send(", and here");
    app.until("written elsewhere, and here");
    app.leave();
}

#[test]
fn a_slip_in_the_name_of_a_command_is_asked_about() {
    let args = ["--max-tokens", "5", "bencch"];
    let mut app = App::start_in(talkative(), (100, 30), &args, &[]);
    app.until("did you mean `cachat bench`?");
    app.send("n\r");
    assert_eq!(app.ended(), 2);
    let mut app = App::start_in(talkative(), (100, 30), &args, &[]);
    app.until("[y/N]");
    app.send("y\r");
    app.until("5 tokens");
    app.leave();
}

#[test]
fn completions_are_taken_with_enter_and_what_fails_is_there_again() {
    let home = talkative();
    home.file("report.txt", "what was decided\n".repeat(4));
    let mut app = App::start_in(home.clone(), (120, 40), &["--max-tokens", "5"], &[]).ready();
    app.send("/file rep");
    app.until("▸ report.txt");
    app.send("\r");
    app.until("[report.txt");
    app.send("\x15/file no-such.txt\r");
    app.until("there is no file");
    app.until("› /file no-such.txt");
    app.send("\x15sum up @./no-such.txt\r");
    app.until("with a space behind the @");
    app.until("› sum up @./no-such.txt");
    // Only what was said is saved.
    app.send("\x15");
    app.say("hello");
    app.until("5 tokens");
    app.send("/save talk.md\r");
    let folder = home.path("").canonicalize().unwrap();
    app.until(&format!("saved as {}", folder.join("talk.md").display()));
    app.leave();
}
