//! The app end to end: keys in, a screen out, and the terminal as it was afterwards.
#![cfg(unix)]

mod pty;

use std::time::{Duration, Instant};

use cachat::testing::TinySpec;
use pty::{App, Home};

/// A model that takes a while for a long text.
fn slow() -> TinySpec {
    TinySpec {
        endless: true,
        layers: 12,
        heads: 8,
        kv_heads: 4,
        head_dim: 64,
        hidden: 512,
        ffn: 1024,
        context: 1 << 17,
        ..TinySpec::llama()
    }
}

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
    app.say("go on for ever");
    app.until("answering");
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
fn esc_in_a_prefill_gives_the_text_back() {
    let mut app =
        App::start_in(Home::with(&slow()), (100, 30), &["--max-tokens", "4"], &[]).ready();
    app.paste(&words(60_000));
    app.until("tokens · ");
    app.send("why?\r");
    app.until("reading");
    std::thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    app.send("\x1b");
    app.until("stopped while reading");
    let felt = begun.elapsed();
    assert!(felt < Duration::from_secs(3), "a stop took {felt:?}");
    app.until("why?");
    app.until("[pasted");
    app.leave();
}

#[test]
fn esc_in_an_answer_keeps_it() {
    let home = talkative();
    let mut app = App::start_in(home, (80, 24), &["--max-tokens", "100000"], &[]).ready();
    app.say("go on");
    app.until("answering");
    std::thread::sleep(Duration::from_millis(100));
    app.send("\x1b");
    app.until("· stopped");
    app.leave();
}

#[test]
fn what_is_typed_while_it_answers_is_asked_next() {
    let home = talkative();
    let mut app = App::start_in(home, (100, 30), &["--max-tokens", "3000"], &[]).ready();
    app.say("first");
    app.until("answering");
    app.say("second");
    app.until("1 message waits");
    app.until("3,000 tokens");
    app.until_that("the second answer", |s| {
        s.matches("3,000 tokens").count() == 2 || s.contains("second")
    });
    app.leave();
}

#[test]
fn large_pastes_are_one_element_and_huge_ones_refused() {
    let mut app = App::start((100, 30), &[]).ready();
    app.paste(&words(300_000));
    app.until("[pasted 11,539 lines");
    // Sent whole, it does not fit, and that is said with figures; the text comes back.
    app.send("?\r");
    app.until("more than the model's context of 2048");
    app.until("[pasted 11,539 lines");
    app.send("\x15");
    app.gone("[pasted");
    app.paste(&words(30 << 20));
    app.until("this paste is 30.0 MiB");
    app.say("still here?");
    app.until("still here?");
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
fn a_storm_of_sizes_while_it_answers() {
    let home = talkative();
    let mut app = App::start_in(home, (120, 40), &["--max-tokens", "100000"], &[]).ready();
    app.say("go on");
    app.until("answering");
    for i in 0..60u16 {
        let size = (1 + (i * 37) % 200, 1 + (i * 13) % 60);
        app.resize(size);
        std::thread::sleep(Duration::from_millis(8));
    }
    app.resize((100, 30));
    app.until("answering");
    app.leave();
}

#[test]
fn a_tiny_terminal_is_usable() {
    let mut app = App::start_in(talkative(), (20, 5), &["--max-tokens", "8"], &[]);
    app.until("help");
    app.send("hi\r");
    app.until("max-tokens");
    app.send("\x1bOP");
    app.until("writing");
    std::thread::sleep(Duration::from_millis(100));
    app.resize((1, 1));
    std::thread::sleep(Duration::from_millis(100));
    app.resize((20, 5));
    app.leave();
}

#[test]
fn signals_leave_the_terminal_as_it_was() {
    for signal in ["TERM", "HUP"] {
        let mut app = App::start((80, 24), &[]).ready();
        app.signal(signal);
        assert_eq!(app.ended(), 130, "{signal}");
        app.assert_restored();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn suspended_and_continued() {
    let mut app = App::start((80, 24), &[]).ready();
    app.send("half a sen");
    app.until("half a sen");
    app.send("\x1a");
    let begun = Instant::now();
    while app.process_state() != 'T' {
        assert!(begun.elapsed() < pty::SOON);
        std::thread::sleep(Duration::from_millis(10));
    }
    app.assert_restored();
    app.signal("CONT");
    app.until("half a sen");
    app.send("tence");
    app.until("half a sentence");
    app.leave();
}

#[test]
fn a_panic_restores_the_terminal_and_leaves_a_report() {
    for place in ["update", "view"] {
        let env = [("CACHAT_TEST_PANIC", place)];
        let mut app = App::start_in(Home::new(), (80, 24), &[], &env).ready();
        app.send("x");
        assert_eq!(app.ended(), 1, "{place}");
        app.assert_restored();
        app.until("internal error");
        app.until("report");
        let reports = app.home.reports();
        assert_eq!(reports.len(), 1);
        assert!(
            reports[0].contains(&format!("a panic in the {place}")),
            "{}",
            reports[0]
        );
    }
}

#[test]
fn a_panic_in_the_engine_leaves_the_app_running() {
    let env = [("CACHAT_TEST_PANIC", "engine")];
    let mut app = App::start_in(Home::new(), (100, 30), &[], &env).ready();
    app.say("hello there");
    app.until("stopped by a fault of its own");
    app.until("report is in");
    // The question is back in the input.
    app.until_that("the question", |s| {
        s.lines().any(|l| l.contains("› hello there"))
    });
    assert_eq!(app.home.reports().len(), 1);
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
fn killed_and_continued() {
    let home = talkative();
    let mut app = App::start_in(home.clone(), (100, 30), &["--max-tokens", "100000"], &[]).ready();
    app.say("remember me");
    app.until("answering");
    std::thread::sleep(Duration::from_millis(300));
    app.signal("KILL");
    app.ended();
    let args = ["--continue", "--max-tokens", "5"];
    let mut app = App::start_in(home, (100, 30), &args, &[]).ready();
    app.send("\x1b[1;5H");
    app.until("remember me");
    app.until("cachat  ");
    app.send("\x1b[1;5F");
    app.say("and then?");
    app.until("5 tokens");
    app.leave();
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
