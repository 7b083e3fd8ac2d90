//! Too much of everything: pastes, sizes, small screens.

use std::time::Duration;

use super::pty::App;
use super::{talkative, words};

#[test]
fn large_pastes_are_one_element_and_huge_ones_refused() {
    let mut app = App::start((100, 30), &[]).ready();
    app.paste(&words(300_000));
    app.until("[pasted 11,539 lines");
    // Sent whole, it does not fit, and that is said with figures; the text comes back.
    app.send("?\r");
    app.until("of 2,048");
    app.until("[pasted 11,539 lines");
    app.send("\x15");
    app.gone("[pasted");
    app.paste(&words(30 << 20));
    app.until("this paste is 30.0 MiB");
    app.say("still here?");
    app.until("still here?");
    app.leave();
}

/// The answer goes on, and is seen to go on, while 30 MB come in.
#[test]
fn a_huge_paste_stops_nothing() {
    let home = talkative();
    let mut app = App::start_in(home, (100, 30), &["--max-tokens", "100000"], &[]).ready();
    app.home.hold("pace 5");
    app.say("go on");
    app.until("answering");
    let (took, still) = app.paste_watched(&words(30 << 20));
    println!("30 MiB took {took:?}; the longest the screen stood still: {still:?}");
    assert!(still < Duration::from_secs(2), "stood still for {still:?}");
    app.until("this paste is 30.0 MiB");
    app.until("answering");
    app.send("still typing");
    app.until("still typing");
    app.leave();
}

/// A terminal without bracketed paste: the text comes as keys, more of them than one read takes.
#[test]
fn a_long_paste_as_keystrokes_arrives_whole() {
    let mut app = App::start((100, 30), &[]).ready();
    app.send(&"some words of a long text\r".repeat(350));
    app.until("[pasted 350 lines");
    app.send("\x15");
    app.gone("[pasted");
    app.leave();
}

#[test]
fn a_storm_of_sizes_while_it_answers() {
    let home = talkative();
    let mut app = App::start_in(home, (120, 40), &["--max-tokens", "100000"], &[]).ready();
    app.home.hold("pace 5");
    app.say("go on");
    app.until("answering");
    for i in 0..60u16 {
        let size = (1 + (i * 37) % 200, 1 + (i * 13) % 60);
        app.resize(size);
        std::thread::sleep(Duration::from_millis(8));
    }
    app.resize((100, 30));
    app.until("answering");
    app.until_that("whole frames at the last size", |s| framed(s, 30));
    app.send("\x1b");
    app.until("stopped");
    app.leave();
}

/// It has lost what stood outside of the small one, and its old size again when the app looks.
#[test]
fn a_terminal_that_was_small_for_a_moment_is_drawn_anew() {
    let mut app = App::start((120, 40), &[]).ready();
    app.until_that("whole frames", |s| framed(s, 40));
    for _ in 0..3 {
        app.resize((40, 12));
        // Here, and not behind the next size: it may be drawn by then.
        assert!(!framed(&app.screen(), 40));
        app.resize((120, 40));
        app.until_that("whole frames again", |s| framed(s, 40));
    }
    app.leave();
}

/// The conversation's frame is whole, on a screen of so many lines.
fn framed(screen: &str, height: usize) -> bool {
    let lines: Vec<&str> = screen.lines().collect();
    lines.len() == height
        && lines[0].starts_with("╭ conversation")
        && lines[0].ends_with('╮')
        && lines[height - 2].starts_with('╰')
        && lines[height - 2].ends_with('╯')
}

#[test]
fn a_tiny_terminal_is_usable() {
    let mut app = App::start_in(talkative(), (20, 5), &["--max-tokens", "8"], &[]);
    app.until("help");
    app.send("hi\r");
    // How the last line is wrapped follows from how long the answer took.
    app.until_that("its end", |screen| {
        let words: Vec<&str> = screen.split_whitespace().collect();
        let words = words.join(" ");
        words.contains("goes on ─") || words.starts_with("on ─")
    });
    app.send("\x1bOP");
    app.until("writing");
    std::thread::sleep(Duration::from_millis(100));
    app.resize((1, 1));
    std::thread::sleep(Duration::from_millis(100));
    app.resize((20, 5));
    app.leave();
}
