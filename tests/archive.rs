//! The archive as scripts meet it: questions in turn, another process, one that is killed.

mod common;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use cachat::saved::{Record, SavedConversation, Store};
use cachat::testing::random::Random;
use common::home::Home;
use serde_json::Value;

const QUESTIONS: [&str; 5] = [
    "what is in line 3?",
    "and in line 30?",
    "which is the longest?",
    "say it again",
    "is that all?",
];

impl Home {
    /// With the questions about its document.
    fn asked() -> Home {
        let home = Home::new();
        home.questions("all.json", &QUESTIONS);
        home
    }

    fn questions(&self, name: &str, questions: &[&str]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, serde_json::to_vec(questions).unwrap()).unwrap();
        path
    }

    fn ask(&self) -> Command {
        let mut ask = self.cachat(&["ask"]);
        ask.args([
            "--exact",
            "--threads",
            "1",
            "--temperature",
            "0",
            "--repeat-penalty",
            "1",
        ])
        .args([
            "--budget", "40", "--window", "8", "--slack", "8", "-n", "12", "--model",
        ])
        .arg(self.path("tiny.gguf"));
        ask
    }

    fn with_document(&self) -> Command {
        let mut ask = self.ask();
        ask.arg("--file").arg(self.path("text.txt"));
        ask
    }

    /// The questions behind so many that were answered, in the conversation `s`.
    #[cfg(unix)]
    fn next(&self, done: usize) -> Command {
        let mut ask = match done {
            0 => self.with_document(),
            _ => self.ask(),
        };
        ask.args(["--json", "--session", "s", "--turns"]);
        ask
    }
}

fn json(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(value: &Value, name: &str) -> u64 {
    value[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[test]
fn questions_in_turn_read_the_document_once() {
    let home = Home::asked();
    let turns = |archive: &str| {
        let mut ask = home.with_document();
        ask.args(["--json", "--archive", archive, "--turns"]);
        json(&ask.arg(home.path("all.json")).output().unwrap())
    };
    for (mode, again) in [("disk", true), ("memory", false)] {
        for time in 0..2 {
            let record = turns(mode);
            let of_turn = record["turns"].as_array().unwrap();
            assert_eq!(of_turn.len(), 5);
            for (i, turn) in of_turn.iter().enumerate() {
                let anew = i == 0 && (time == 0 || !again);
                assert_eq!(
                    number(turn, "reused_tokens") > 500,
                    !anew,
                    "{mode}, turn {i}"
                );
                assert_eq!(
                    number(turn, "prompt_tokens") > 500,
                    anew,
                    "{mode}, turn {i}"
                );
                let round = &turn["evictions"][0];
                let trigger = if anew { "prefill" } else { "recall" };
                assert_eq!(round["trigger"], trigger);
                assert_eq!(number(turn, "recalled_entries") > 0, !anew);
            }
            let archive = &record["archive"];
            assert_eq!(archive["mode"], mode);
            assert!(number(archive, "bytes") > 100_000);
            let path = archive["path"].as_str();
            assert_eq!(
                path.is_some_and(|path| std::fs::exists(path).unwrap()),
                mode == "disk"
            );
        }
    }
    let off = turns("off");
    assert_eq!(off["archive"]["mode"], "off");
    assert_eq!(number(&off["archive"], "bytes"), 0);
    let second = &off["turns"][1];
    assert_eq!(number(second, "recalled_entries"), 0);
    assert_eq!(second["evictions"][0]["trigger"], "prefill");
}

#[test]
fn a_saved_conversation_goes_on_by_name_where_it_was_left() {
    let home = Home::asked();
    let whole = {
        let other = Home::asked();
        let mut ask = other.with_document();
        ask.args(["--json", "--turns"]).arg(other.path("all.json"));
        json(&ask.output().unwrap())
    };
    let mut first = home.with_document();
    first.args(["--json", "--session", "contract", QUESTIONS[0]]);
    let record = json(&first.output().unwrap());
    assert_eq!(record["answer"], whole["turns"][0]["answer"]);
    for (i, question) in QUESTIONS.iter().enumerate().skip(1) {
        let mut next = home.ask();
        next.args(["--json", "--session", "contract", question]);
        let record = json(&next.output().unwrap());
        assert_eq!(
            record["answer"], whole["turns"][i]["answer"],
            "question {i}"
        );
        assert!(number(&record, "prompt_tokens") < 100, "{record}");
    }
    let listed = home.cachat(&["sessions"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("contract") && listed.contains("5 turns"),
        "{listed}"
    );
}

#[test]
fn what_is_no_list_of_questions_is_wrong_usage() {
    let home = Home::asked();
    for (text, says) in [
        ("{}", "array"),
        ("[]", "none"),
        ("[\"a\", \"\"]", "empty"),
        ("[1]", "string"),
    ] {
        let path = home.path("wrong.json");
        std::fs::write(&path, text).unwrap();
        let output = home.ask().arg("--turns").arg(&path).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(says), "{message}");
    }
}

/// The conversation `s`, as it is saved.
#[cfg(unix)]
fn saved(home: &Home) -> SavedConversation {
    let content = std::fs::read(home.path("sessions/s.jsonl")).unwrap_or_default();
    cachat::saved::read(&content)
}

/// What is saved is a beginning of the undisturbed conversation, cut nowhere but in its last answer.
/// That one is taken back, as `/retry` does, to be asked again. Says how many turns are left.
#[cfg(unix)]
fn answered(home: &Home, undisturbed: &SavedConversation) -> usize {
    let conversation = saved(home);
    let turns = &conversation.turns;
    assert_eq!(conversation.damaged, 0);
    assert!(turns.len() <= undisturbed.turns.len());
    for (i, (turn, whole)) in turns.iter().zip(&undisturbed.turns).enumerate() {
        assert_eq!(turn.question, whole.question, "turn {i}");
        if turn.end.is_some() || i + 1 < turns.len() {
            assert_eq!((&turn.answer, turn.end), (&whole.answer, whole.end));
        }
        let said = turn.answer.as_deref().unwrap_or_default();
        let answer = whole.answer.as_deref().unwrap();
        assert!(answer.starts_with(said), "{said:?} of {answer:?}");
    }
    let cut = turns.last().filter(|turn| turn.end.is_none());
    let done = turns.len() - usize::from(cut.is_some());
    // A question without an answer is taken back by `ask`.
    if cut.is_some_and(|turn| turn.answer.is_some()) {
        let store = Store::new(home.path("sessions"));
        let (_, mut writer) = store.open("s").unwrap();
        writer.append(&Record::Truncate(2 * done)).unwrap();
    }
    done
}

/// `kill -9` at any moment: what was said stays, and once the answer that was cut is asked for again,
/// it and the next ones are those of a conversation that nobody disturbed. Two of three kills come in
/// the middle of a write, after any byte of what is saved or archived. `CACHAT_TEST_KILLS` sets how
/// many there are.
#[cfg(unix)]
#[test]
fn killed_at_any_moment_it_goes_on_as_if_it_had_not_been() {
    use std::os::unix::process::ExitStatusExt;
    let wanted = std::env::var("CACHAT_TEST_KILLS").map_or(12, |n| n.parse().unwrap());
    let all = |home: &Home| {
        let mut ask = home.with_document();
        ask.args(["--json", "--session", "s", "--turns"])
            .arg(home.path("all.json"));
        ask
    };
    let undisturbed = Home::asked();
    let begun = Instant::now();
    let record = json(&all(&undisturbed).output().unwrap());
    let took = begun.elapsed();
    let answers: Vec<&Value> = record["turns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|turn| &turn["answer"])
        .collect();
    let whole = saved(&undisturbed);
    assert!(whole.turns.iter().all(|turn| turn.end.is_some()));
    // Bytes that each of the writing threads writes in all.
    let written = [
        ("main", whole.whole as u64),
        ("archive", number(&record["archive"], "bytes")),
    ];
    let mut random = Random::new(5);
    // At a moment, while saving, while archiving.
    let mut kills = [0; 3];
    let mut home = Home::asked();
    let mut tries = 0;
    for i in 0.. {
        let done = answered(&home, &whole);
        let rest = home.questions("rest.json", &QUESTIONS[done..]);
        let enough = kills.iter().sum::<usize>() >= wanted;
        if enough || done == QUESTIONS.len() || tries == 3 {
            // And what is left, without a fault.
            if done < QUESTIONS.len() {
                let mut ask = home.next(done);
                let record = json(&ask.arg(rest).output().unwrap());
                let turns = record["turns"].as_array().unwrap();
                for (turn, answer) in turns.iter().zip(&answers[done..]) {
                    assert_eq!(&&turn["answer"], answer, "after {done} turns, {i}");
                }
                assert_eq!(saved(&home).turns.len(), QUESTIONS.len());
                assert_eq!(answered(&home, &whole), QUESTIONS.len());
            }
            if enough {
                break;
            }
            (home, tries) = (Home::asked(), 0);
            continue;
        }
        tries += 1;
        let mut ask = home.next(done);
        ask.arg(rest).stdout(Stdio::null()).stderr(Stdio::null());
        let share = f64::from(random.unit());
        let how = i % 3;
        if how > 0 {
            let (thread, bytes) = written[how - 1];
            let at = (share * bytes as f64) as u64;
            let disk = home.path("disk");
            std::fs::write(&disk, format!("kill {at} {thread}")).unwrap();
            ask.env("CACHAT_TEST_DISK", disk);
        }
        let mut child = ask.spawn().unwrap();
        if how == 0 {
            std::thread::sleep(took.mul_f64(share * 0.9));
            let _ = child.kill();
        }
        let status = child.wait().unwrap();
        // One that had nothing to write there any more ended by itself.
        assert!(status.success() || status.signal() == Some(9), "{status}");
        kills[how] += usize::from(status.signal() == Some(9));
    }
    println!(
        "killed {} times at a moment, {} while saving, {} while archiving",
        kills[0], kills[1], kills[2]
    );
}
