//! Stopping is felt at once, from the key to the screen.

use std::time::Duration;

use cachat::testing::TinySpec;

use super::pty::{App, Home};
use super::{talkative, words};

/// What people feel as at once.
const FELT: Duration = Duration::from_millis(150);
/// Machines are busy: one of so many tries has to be quick.
const TRIES: usize = 6;

/// The quickest of several.
#[track_caller]
fn at_once(what: &str, tries: &[Duration]) {
    println!("{what}: {tries:?}");
    let best = tries.iter().min().unwrap();
    assert!(*best < FELT, "{what} took {tries:?}");
}

/// How long a letter takes to the screen and back off it, on this machine at this moment: what a
/// key takes that the model has no part in.
fn echo(app: &mut App) -> Duration {
    let pressed = app.press("ж");
    app.after(pressed, "a letter", |s| s.contains('ж'));
    app.send("\x7f");
    app.after(pressed, "no letter", |s| !s.contains('ж'))
}

/// The model stands behind a block of its prefill; that none follows once it is told to stop is
/// held by `conversation::no_block_follows_a_stop`.
#[test]
fn esc_in_a_prefill_is_felt_at_once_and_gives_the_text_back() {
    let home = talkative();
    let mut app = App::start_in(home.clone(), (100, 30), &["--max-tokens", "4"], &[]).ready();
    app.paste(&words(20_000));
    app.until("tokens · ");
    app.send("why?");
    app.until("why?");
    let (mut seen, mut ended) = (Vec::new(), Vec::new());
    for i in 0..TRIES {
        // Not always at the same place of a layer.
        home.hold(&format!("read {}", 5 + 13 * i));
        app.send("\r");
        app.until("reading ·");
        let usual = echo(&mut app);
        let pressed = app.press("\x1b");
        let sign = app.after(pressed, "stopping", |s| !s.contains(" reading ·"));
        seen.push(sign.saturating_sub(usual));
        let end = app.after(pressed, "an end", |s| s.contains("? help"));
        ended.push(end.saturating_sub(usual));
        app.until("stopped while reading");
        // Back in the input, to be sent again.
        app.until_that("the text", |s| {
            s.lines()
                .any(|l| l.contains("[pasted") && l.contains('›') || l.contains("why?"))
        });
    }
    at_once("a sign of Esc in a prefill", &seen);
    at_once("the end of a prefill", &ended);
    app.until("[pasted");
    app.leave();
}

#[test]
fn esc_in_an_answer_is_felt_at_once_and_keeps_it() {
    let home = talkative();
    let mut app = App::start_in(home, (100, 30), &["--max-tokens", "100000"], &[]).ready();
    let mut ended = Vec::new();
    for i in 0..TRIES {
        app.home.hold(&format!("answer {}", 20 + i));
        app.say("on");
        app.until(&format!("answering {}", 20 + i));
        let usual = echo(&mut app);
        let pressed = app.press("\x1b");
        let end = app.after(pressed, "an end", |s| s.contains("? help"));
        ended.push(end.saturating_sub(usual));
        app.until("stopped");
    }
    at_once("the end of an answer", &ended);
    app.leave();
}

#[test]
fn ctrl_c_twice_leaves_in_the_middle_of_an_answer() {
    for keys in ["\x03\x03", "\x03"] {
        let home = talkative();
        let mut app = App::start_in(home, (80, 24), &["--max-tokens", "100000"], &[]).ready();
        app.home.hold("answer 40");
        app.say("go on for ever");
        app.until("answering 40");
        app.send(keys);
        if keys.len() == 1 {
            app.until("stopped");
            app.send("\x03");
        }
        assert_eq!(app.ended(), 0);
        app.assert_restored();
    }
}

/// A template may be at work for seconds before its bounds end it; Esc does not wait for them.
#[test]
fn esc_while_a_template_is_at_work_is_felt_at_once() {
    let home = Home::with(&TinySpec {
        // Lists that hold each other 2^40 times, one by one.
        template: "{% set n = namespace(l=[1], m=[1]) %}{% for _ in range(40) %}\
            {% set n.l = [n.l, n.l] %}{% set n.m = [n.m, n.m] %}{% endfor %}{{ n.l == n.m }}",
        ..TinySpec::llama()
    });
    let mut app = App::start_in(home, (100, 30), &["--max-tokens", "4"], &[]).ready();
    app.send("why?");
    app.until("why?");
    let mut ended = Vec::new();
    for _ in 0..TRIES {
        app.send("\r");
        app.until("reading");
        std::thread::sleep(FELT);
        let usual = echo(&mut app);
        let pressed = app.press("\x1b");
        let end = app.after(pressed, "an end", |s| s.contains("? help"));
        ended.push(end.saturating_sub(usual));
        app.until("stopped while reading");
        #[cfg(target_os = "linux")]
        assert_eq!(app.helpers(), 0, "nobody is left at work");
    }
    at_once("the end of a template", &ended);
    app.leave();
}

/// Older terminals send Alt-Up as Esc and Up; a lone Esc is one at once all the same.
#[test]
fn alt_up_of_an_older_terminal_picks_a_message() {
    let mut app = App::start_in(talkative(), (100, 30), &["--max-tokens", "3"], &[]).ready();
    app.say("pick me");
    app.until("3 tokens");
    let mut closed = Vec::new();
    for keys in ["\x1b\x1b[A", "\x1b\x1bOA", "\x1b[1;3A"] {
        app.send(keys);
        app.until("y copy");
        let pressed = app.press("\x1b");
        let end = app.after(pressed, "no message picked", |s| !s.contains("y copy"));
        closed.push(end.saturating_sub(echo(&mut app)));
    }
    at_once("a lone Esc", &closed);
    assert!(!app.screen().contains("[A"), "{}", app.screen());
    app.leave();
}

/// Nothing happens, nothing is computed.
#[cfg(target_os = "linux")]
#[test]
fn an_idle_app_uses_no_processor() {
    let mut app = App::start_in(talkative(), (120, 40), &["--max-tokens", "3"], &[]).ready();
    app.say("hello");
    app.until("3 tokens");
    let mut shares = Vec::new();
    for _ in 0..3 {
        let (before, span) = (app.processor_time(), Duration::from_secs(2));
        std::thread::sleep(span);
        let used = app.processor_time() - before;
        shares.push(used.as_secs_f64() / span.as_secs_f64());
    }
    let least = shares.iter().copied().fold(1.0, f64::min);
    assert!(least <= 0.01, "{shares:?} of a processor");
    app.leave();
}
