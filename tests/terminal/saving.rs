//! What was said is saved, also where the disk or the terminal gives up.

use std::time::Duration;

use cachat::saved::Record;
use cachat::testing::random::Random;

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

/// `kill -9` while it answers, at some moment and in the middle of what it writes: of the answer
/// nothing is lost but the piece that was not due yet. `CACHAT_TEST_KILLS` sets how often.
#[test]
fn killed_while_it_answers_it_loses_less_than_a_piece() {
    const PIECE: usize = 240;
    const TOKENS: [&str; 5] = ["40", "100", "180", "260", "330"];
    let kills = std::env::var("CACHAT_TEST_KILLS").map_or(4, |n| n.parse().unwrap());
    let args = ["--max-tokens", "400"];
    let (whole, bytes) = {
        let home = talkative();
        let mut app = App::start_in(home.clone(), (100, 30), &args, &[]).ready();
        app.say("remember me");
        app.until("400 tokens");
        app.leave();
        (home.answer(), home.sessions()[0].len())
    };
    let parts = TOKENS.map(undisturbed);
    let mut random = Random::new(8);
    let (mut most, mut while_writing) = (0, 0);
    for kill in 0..kills {
        let home = talkative();
        let mut app = App::start_in(home.clone(), (100, 30), &args, &[]).ready();
        let part = kill / 2 % TOKENS.len();
        let share = f64::from(random.unit());
        // Times are not always written alike.
        let at = (share * (bytes - 40) as f64) as usize;
        if kill % 2 == 0 {
            home.hold(&format!("answer {}", TOKENS[part]));
            app.say("remember me");
            app.until(&format!("answering {}", TOKENS[part]));
            home.open();
            std::thread::sleep(Duration::from_secs_f64(share * 0.02));
            app.signal("KILL");
        } else {
            home.file("disk", format!("kill {at} main"));
            app.say("remember me");
        }
        app.ended();
        let file = std::fs::read(home.session_paths().pop().unwrap()).unwrap();
        let saved = cachat::saved::read(&file);
        let answer = saved.turns.first().and_then(|turn| turn.answer.as_deref());
        let answer = answer.unwrap_or_default();
        assert!(whole.starts_with(answer), "{answer:?} of {whole:?}");
        if kill % 2 == 0 {
            // What was on the screen was said. A character may still have lacked its last byte.
            let lost = parts[part].len().saturating_sub(answer.len());
            assert!(lost < PIECE + 4, "{lost} bytes are lost of {}", parts[part]);
            most = most.max(lost);
        } else {
            // Everything up to that byte is there.
            assert_eq!(file.len(), at);
            while_writing += 1;
        }
        // It is nobody's, and goes on.
        let store = cachat::saved::Store::new(home.path("sessions"));
        let (again, mut writer) = store.open("20").unwrap();
        assert_eq!((again.damaged, &again.turns), (0, &saved.turns));
        writer.append(&Record::Truncate(2)).unwrap();
    }
    println!("{kills} kills, {while_writing} of them while writing; at most {most} bytes are lost");
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
