//! However the app ends, the terminal is as it was and what was said is kept.

#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

use super::pty::{App, Home};
use super::talkative;

#[test]
fn signals_leave_the_terminal_as_it_was() {
    for signal in ["TERM", "HUP", "INT", "QUIT"] {
        let mut app = App::start((80, 24), &[]).ready();
        app.signal(signal);
        assert_eq!(app.ended(), 130, "{signal}");
        app.assert_restored();
    }
    // In the middle of an answer, which is kept.
    let home = talkative();
    let mut app = App::start_in(home.clone(), (80, 24), &["--max-tokens", "100000"], &[]).ready();
    home.hold("answer 400");
    app.say("go on");
    app.until("answering 400");
    app.signal("TERM");
    assert_eq!(app.ended(), 130);
    app.assert_restored();
    let sessions = home.sessions();
    assert_eq!(sessions.len(), 1);
    assert!(sessions[0].contains("go on") && sessions[0].contains("answer"));
}

#[cfg(target_os = "linux")]
fn until_stopped(app: &App) {
    let begun = Instant::now();
    while app.process_state() != 'T' {
        assert!(begun.elapsed() < super::pty::SOON);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn suspended_and_continued() {
    let mut app = App::start((80, 24), &[]).ready();
    app.send("half a sen");
    app.until("half a sen");
    app.send("\x1a");
    until_stopped(&app);
    app.assert_restored();
    app.signal("CONT");
    app.until("half a sen");
    app.send("tence");
    app.until("half a sentence");
    app.leave();
}

#[cfg(target_os = "linux")]
#[test]
fn suspended_by_others_in_an_answer_which_goes_on() {
    let args = ["--max-tokens", "100000"];
    let mut app = App::start_in(talkative(), (80, 24), &args, &[]).ready();
    app.home.hold("answer 40");
    app.say("go on");
    app.until("answering 40");
    app.signal("TSTP");
    until_stopped(&app);
    app.assert_restored();
    app.signal("CONT");
    app.home.hold("answer 80");
    app.until("answering 80");
    app.send("\x1b");
    app.until("stopped");
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

/// Everything on the screen but its last line is in the file, and the file goes on.
#[test]
fn killed_and_continued() {
    let home = talkative();
    let mut app = App::start_in(home.clone(), (100, 30), &["--max-tokens", "100000"], &[]).ready();
    home.hold("answer 400");
    app.say("remember me");
    app.until("answering 400");
    app.signal("KILL");
    app.ended();
    home.open();
    let saved = home.answer();
    // The same answer again, up to what was seen of it.
    let again = talkative();
    let args = ["--max-tokens", "400"];
    let mut other = App::start_in(again.clone(), (100, 30), &args, &[]).ready();
    other.say("remember me");
    other.until("· read ");
    other.leave();
    let seen = again.answer();
    assert!(seen.starts_with(&saved) || saved.starts_with(&seen));
    assert!(!saved.is_empty());
    // An answer is written down at each line's end, and every 240 bytes of a long line.
    let lost = seen.len().saturating_sub(saved.len());
    assert!(lost < 300, "{lost} of {} bytes lost", seen.len());
    let args = ["--continue", "--max-tokens", "5"];
    let mut app = App::start_in(home.clone(), (100, 30), &args, &[]).ready();
    app.send("\x1b[1;5H");
    app.until("remember me");
    app.until("cachat  ");
    app.send("\x1b[1;5F");
    app.say("and then?");
    app.until("5 tokens");
    app.leave();
}

#[test]
fn half_a_line_of_a_crash_is_left_out_and_written_over() {
    let home = talkative();
    let args = ["--max-tokens", "5"];
    let mut app = App::start_in(home.clone(), (100, 30), &args, &[]).ready();
    app.say("remember me");
    app.until("5 tokens");
    app.leave();
    home.append_to_session(r#"{"answer":"torn in the mid"#);
    let args = ["--continue", "--max-tokens", "5"];
    let mut app = App::start_in(home.clone(), (100, 30), &args, &[]).ready();
    app.until("remember me");
    app.say("and then?");
    app.until("5 tokens");
    app.leave();
    let sessions = home.sessions();
    assert_eq!(sessions.len(), 1);
    assert!(sessions[0].contains("and then?"));
    assert!(!sessions[0].contains("torn"));
    for line in sessions[0].lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn two_apps_at_once_do_not_mix() {
    let home = talkative();
    let args = ["--max-tokens", "200"];
    let mut one = App::start_in(home.clone(), (100, 30), &args, &[]).ready();
    let mut other = App::start_in(home.clone(), (100, 30), &args, &[]).ready();
    one.say("apples");
    other.say("oranges");
    one.until("200 tokens");
    other.until("200 tokens");
    let sessions = home.sessions();
    assert_eq!(sessions.len(), 2);
    for session in &sessions {
        assert!(session.contains("apples") != session.contains("oranges"));
    }
    // What is open here is not opened again there.
    let mut third = App::start_in(home.clone(), (100, 30), &["--continue"], &[]);
    assert_eq!(third.ended(), 1);
    assert!(
        third.screen().contains("open in another window"),
        "{}",
        third.screen()
    );
    third.assert_restored();
    one.leave();
    other.leave();
}

/// What ran and how it went is in the log; what was said is not.
#[test]
fn the_log_is_a_file_and_holds_nothing_of_what_was_said() {
    let home = talkative();
    home.file("private.txt", "confidential matters\n".repeat(60));
    let args = ["--max-tokens", "90", "--budget", "16", "--slack", "8"];
    let mut app = App::start_in(home.clone(), (120, 40), &args, &[]).ready();
    app.say("secretly, what is in @private.txt");
    app.until("90 tokens");
    app.say("/policy snapkv");
    app.until("from now on");
    app.leave();
    let log = std::fs::read_to_string(home.path("logs/cachat.log")).unwrap();
    for said in [
        "model opened",
        "policy=pooled-blend",
        "turn finished",
        "evicted",
        "generated_tokens=90",
        "policy changed",
    ] {
        assert!(log.contains(said), "{said} in\n{log}");
    }
    for private in ["secretly", "confidential", "private.txt"] {
        assert!(!log.contains(private), "{private} in\n{log}");
    }
    let off = [("CACHAT_LOG", "off")];
    let home = talkative();
    let mut app = App::start_in(home.clone(), (80, 24), &["--max-tokens", "3"], &off).ready();
    app.say("hello");
    app.until("3 tokens");
    app.leave();
    assert!(!home.path("logs").exists());
}
