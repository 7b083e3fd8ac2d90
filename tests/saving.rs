//! What `ask --session` saves while it answers: whatever ends it, what was said is there.
//! `CACHAT_TEST_KILLS` sets how often it is killed.
#![cfg(all(unix, debug_assertions))]

mod common;

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cachat::cli::safe::shown;
use cachat::saved::{Ending, Piece, SavedTurn};
use cachat::testing::random::Random;
use cachat::testing::{TinySpec, write_tiny_gguf};
use common::home::Home;

const QUESTION: &str = "remember me";
/// What may be lost is less than a piece of an answer.
const PIECE: usize = 240;
const PATIENCE: Duration = Duration::from_secs(120);

/// With a model that answers as long as it may.
fn talkative() -> Home {
    let home = Home::new();
    let spec = TinySpec {
        endless: true,
        context: 1 << 17,
        ..TinySpec::llama()
    };
    write_tiny_gguf(home.path("talkative.gguf"), &spec).unwrap();
    home
}

/// Asks in the conversation `s`, for an answer of so many tokens.
fn ask(home: &Home, tokens: usize, question: &str) -> Command {
    let mut ask = home.cachat(&["ask", "--threads", "1", "--temperature", "0"]);
    ask.args(["--archive", "off", "--session", "s", "--max-tokens"])
        .arg(tokens.to_string())
        .arg("--model")
        .arg(home.path("talkative.gguf"))
        .arg(question)
        .env("CACHAT_TEST_GATE", home.path("gate"))
        .env("CACHAT_TEST_DISK", home.path("disk"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    ask
}

/// The turns that are saved, and the bytes of their file.
fn saved(home: &Home) -> (Vec<SavedTurn>, usize) {
    let file = std::fs::read(home.path("sessions/s.jsonl")).unwrap_or_default();
    let conversation = cachat::saved::read(&file);
    assert_eq!(conversation.damaged, 0);
    (conversation.turns, file.len())
}

/// What is saved of the first answer.
fn answer(home: &Home) -> String {
    let first = saved(home).0.into_iter().next();
    first.and_then(|turn| turn.answer).unwrap_or_default()
}

#[track_caller]
fn done(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// An answer of so many tokens that nobody disturbed.
fn undisturbed(tokens: usize) -> Home {
    let home = talkative();
    done(&ask(&home, tokens, QUESTION).output().unwrap());
    home
}

/// How much of the answer was printed.
fn printed(answer: &str, out: &[u8]) -> usize {
    let mut length = 0;
    for (at, c) in answer.char_indices() {
        if length >= out.len() {
            return at;
        }
        length += shown(c.encode_utf8(&mut [0; 4])).len();
    }
    answer.len()
}

fn until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "it does not come to it");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the answer has begun.
fn first_byte(child: &mut Child) -> Vec<u8> {
    let mut first = vec![0];
    let out = child.stdout.as_mut().unwrap();
    out.read_exact(&mut first).unwrap();
    first
}

fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    let sent = Command::new("sh").args(["-c", &kill]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn killed_in_the_middle_of_a_write_it_leaves_everything_up_to_that_byte() {
    let kills = std::env::var("CACHAT_TEST_KILLS").map_or(6, |n| n.parse().unwrap());
    let home = undisturbed(400);
    let (whole, bytes) = (answer(&home), saved(&home).1);
    let mut random = Random::new(9);
    let mut most = 0;
    for _ in 0..kills {
        let home = talkative();
        // Times are not always written alike.
        let at = (f64::from(random.unit()) * (bytes - 40) as f64) as usize;
        std::fs::write(home.path("disk"), format!("kill {at} main")).unwrap();
        let output = ask(&home, 400, QUESTION).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "at byte {at}");
        let (turns, file) = saved(&home);
        assert_eq!(file, at);
        let said = answer(&home);
        assert!(whole.starts_with(&said), "{said:?} of {whole:?}");
        for turn in &turns {
            assert_eq!(turn.question, [Piece::Text(QUESTION.into())]);
            assert_eq!(turn.end, None);
        }
        let lost = printed(&whole, &output.stdout).saturating_sub(said.len());
        assert!(lost < PIECE, "{lost} bytes are lost at byte {at}");
        most = most.max(lost);
        // It goes on: behind what was said, without a question that was not answered.
        std::fs::remove_file(home.path("disk")).unwrap();
        done(&ask(&home, 5, "and then?").output().unwrap());
        let (mut again, _) = saved(&home);
        let last = again.pop().unwrap();
        assert_eq!(last.question, [Piece::Text("and then?".into())]);
        assert_eq!(last.end, Some(Ending::Length));
        let begun: Vec<SavedTurn> = turns.into_iter().filter(|t| t.answer.is_some()).collect();
        assert_eq!(again, begun, "killed at byte {at}");
    }
    println!("{kills} kills; at most {most} bytes are lost");
}

#[test]
fn killed_while_it_answers_it_loses_less_than_a_piece() {
    for tokens in [40, 180, 330] {
        let whole = answer(&undisturbed(tokens));
        let home = talkative();
        std::fs::write(home.path("gate"), format!("answer {tokens}")).unwrap();
        let mut child = ask(&home, 100_000, QUESTION).spawn().unwrap();
        // It stands still behind that token, so that nothing follows to push it out.
        until(|| {
            let (turns, _) = saved(&home);
            let lacks = whole.len().saturating_sub(answer(&home).len());
            !turns.is_empty() && lacks < PIECE
        });
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let said = answer(&home);
        assert!(whole.starts_with(&said), "{said:?} of {whole:?}");
        let lost = printed(&whole, &output.stdout).saturating_sub(said.len());
        assert!(lost < PIECE, "{lost} bytes are lost of {tokens} tokens");
        let (turns, _) = saved(&home);
        assert_eq!(turns[0].question, [Piece::Text(QUESTION.into())]);
        assert_eq!((turns.len(), turns[0].end), (1, None));
    }
}

#[test]
fn a_terminal_that_is_closed_ends_it_with_what_was_said() {
    let whole = answer(&undisturbed(300));
    for (name, number) in [("HUP", 1), ("QUIT", 3), ("TERM", 15)] {
        if cachat::bus::ignored(number) {
            println!("SKIPPED: the tests were started with SIG{name} ignored, and so is it");
            continue;
        }
        let home = talkative();
        std::fs::write(home.path("gate"), "answer 300").unwrap();
        let mut child = ask(&home, 100_000, QUESTION).spawn().unwrap();
        let mut out = first_byte(&mut child);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{name}");
        let (turns, _) = saved(&home);
        let said = turns[0].answer.as_deref().unwrap();
        assert!(!said.is_empty() && whole.starts_with(said), "{said:?}");
        assert_eq!(turns[0].end, Some(Ending::Stopped), "{name}");
        out.extend(output.stdout);
        assert_eq!(String::from_utf8(out).unwrap(), shown(said) + "\n");
    }
}

#[test]
fn under_nohup_it_goes_on_when_the_terminal_is_closed() {
    let whole = answer(&undisturbed(40));
    let home = talkative();
    std::fs::write(home.path("gate"), "answer 20").unwrap();
    let ask = ask(&home, 40, QUESTION);
    let mut nohup = Command::new("sh");
    nohup
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(ask.get_program())
        .args(ask.get_args())
        .current_dir(home.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in ask.get_envs() {
        match value {
            Some(value) => nohup.env(name, value),
            None => nohup.env_remove(name),
        };
    }
    let mut child = nohup.spawn().unwrap();
    first_byte(&mut child);
    signal(&child, "HUP");
    std::fs::remove_file(home.path("gate")).unwrap();
    done(&child.wait_with_output().unwrap());
    assert_eq!(answer(&home), whole);
    assert_eq!(saved(&home).0[0].end, Some(Ending::Length));
}
