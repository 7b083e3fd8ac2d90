//! Six ways in which a disk fails, each in four kinds of files that the program writes. Whatever it is
//! and after whatever byte: what was saved before is as it was, the program says what failed or gets
//! over it, and it goes on when the disk does. `CACHAT_TEST_FAULTS` sets how many bytes are tried.
#![cfg(all(unix, debug_assertions))]

mod common;
#[allow(dead_code)]
#[path = "fetching/server.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cachat::testing::random::Random;
use common::home::Home;
use serde_json::Value;

const FAULTS: [&str; 6] = ["full", "io", "interrupted", "short", "readonly", "sync"];

/// What the program gets over by itself.
const HARMLESS: [&str; 2] = ["interrupted", "short"];

type Check = fn(&Home, fault: &str, at: usize);

/// What is written, how many bytes of it there are about, and what has to hold.
const FILES: [(&str, usize, Check); 4] = [
    ("sessions", 120, sessions),
    ("archive", 90_000, archive),
    ("settings", 3_000, settings),
    ("downloads", 600_000, downloads),
];

impl Home {
    /// A question to the tiny model, always answered in the same way.
    fn ask(&self, arguments: &[&str]) -> Command {
        let mut ask = self.cachat(&["ask", "--exact", "--threads", "1", "--temperature", "0"]);
        ask.args(["-n", "12", "--json", "--model"])
            .arg(self.path("tiny.gguf"))
            .args(arguments);
        ask
    }

    /// With the disk failing from byte `at` of what it writes on.
    fn failing(&self, command: &mut Command, fault: &str, at: usize) -> Output {
        let disk = self.path("disk");
        std::fs::write(&disk, format!("{fault} {at}")).unwrap();
        command.env("CACHAT_TEST_DISK", disk).output().unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Nobody but the system's own words for it, no crash.
#[track_caller]
fn ended(output: &Output, fault: &str, at: usize) -> bool {
    let code = output.status.code();
    assert!(
        code == Some(0) || code == Some(1),
        "{fault} {at}: {code:?} {}",
        said(output)
    );
    assert!(!said(output).contains("panicked"), "{}", said(output));
    assert!(
        output.status.success() || !HARMLESS.contains(&fault),
        "{fault} {at}: {}",
        said(output)
    );
    output.status.success()
}

#[track_caller]
fn done(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// Regular files below a folder with their contents.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            all.extend(contents(&entry.path()));
        } else if kind.is_file() {
            all.push((entry.path(), std::fs::read(entry.path()).unwrap()));
        }
    }
    all.sort();
    all
}

fn sessions(home: &Home, fault: &str, at: usize) {
    let ask = |question| home.ask(&["--archive", "off", "--session", "s", question]);
    let messages = || {
        let export = done(&mut home.cachat(&["sessions", "export", "s", "--json"]));
        export.as_array().cloned().unwrap_or_default()
    };
    done(&mut ask("what is it?"));
    let before = messages();
    assert_eq!(before.len(), 2, "a question and its answer");
    let output = home.failing(&mut ask("and then?"), fault, at);
    let ok = ended(&output, fault, at);
    // It was answered, whatever the disk did.
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    let after = messages();
    assert_eq!(after[..2], before, "{fault} {at}");
    match fault {
        "interrupted" | "short" => assert_eq!(after.len(), 4),
        // Written it is, but nobody knows where.
        "sync" => assert!(!ok && after.len() == 4, "{}", said(&output)),
        "readonly" => assert!(!ok && after.len() == 2, "{}", said(&output)),
        _ => assert!(!ok || at > 0, "{fault} {at}"),
    }
    let saved = cachat::saved::read(&std::fs::read(home.path("sessions/s.jsonl")).unwrap());
    let kept = saved.turns.get(1).and_then(|turn| turn.answer.as_deref());
    let (kept, answer) = (kept.unwrap_or_default(), record["answer"].as_str().unwrap());
    assert!(answer.starts_with(kept), "{kept:?} of {answer:?}");
    assert!(!ok || answer == kept, "{kept:?} of {answer:?}");
    // It goes on, from what is there.
    done(&mut ask("and then?"));
    let last = messages();
    assert_eq!(last[..2], before);
    assert!(last.len() >= 4 && last.len() % 2 == 0, "{last:?}");
    assert_eq!(last[last.len() - 2]["content"], "and then?");
}

/// The archive is for speed: no fault in it costs an answer.
fn archive(home: &Home, fault: &str, at: usize) {
    let ask = |question| home.ask(&["--file", "text.txt", question]);
    let reused = |record: &Value| record["reused_tokens"].as_u64().unwrap();
    done(&mut ask("what is it?"));
    let before = contents(&home.path("archive"));
    let other = Home::new();
    let whole = done(&mut other.ask(&["--file", "text.txt", "and then?"]));
    let output = home.failing(&mut ask("and then?"), fault, at);
    assert!(output.status.success(), "{fault} {at}: {}", said(&output));
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(record["answer"], whole["answer"], "{fault} {at}");
    let after = contents(&home.path("archive"));
    assert!(
        before.iter().all(|file| after.contains(file)),
        "{fault} {at}"
    );
    if fault == "sync" {
        // Nobody waits for the archive to be on the disk: a machine without power leaves zeros.
        for (path, bytes) in after.iter().filter(|file| !before.contains(file)) {
            let mut bytes = bytes.clone();
            let from = at.min(bytes.len());
            bytes[from..].fill(0);
            std::fs::write(path, bytes).unwrap();
        }
    }
    let again = done(&mut ask("what is it?"));
    assert!(reused(&again) > 300, "{again}");
    let last = done(&mut ask("and then?"));
    assert_eq!(last["answer"], whole["answer"]);
    assert!(reused(&last) > 300, "{last}");
}

fn settings(home: &Home, fault: &str, at: usize) {
    let config = home.path("config.toml");
    let init = || home.cachat(&["config", "--init"]);
    // What is there is never touched.
    std::fs::write(&config, "budget = 77\n").unwrap();
    let output = home.failing(&mut init(), fault, at);
    assert!(!output.status.success());
    assert_eq!(std::fs::read(&config).unwrap(), b"budget = 77\n");
    std::fs::remove_file(&config).unwrap();
    let written = ended(&home.failing(&mut init(), fault, at), fault, at);
    assert_eq!(
        config.exists(),
        written,
        "{fault} {at}: all of it or nothing"
    );
    if !written {
        assert!(init().output().unwrap().status.success());
    }
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.starts_with("# Cachat's settings") && text.ends_with('\n'));
    assert!(home.cachat(&["config"]).output().unwrap().status.success());
}

fn downloads(home: &Home, fault: &str, at: usize) {
    let hub = server::Server::new(|request| server::honest(request, &server::model(), &[]));
    let fetch = |repo: &str| {
        let mut fetch = home.cachat(&["models", "--fetch", &format!("{repo}:tiny.gguf")]);
        fetch.env("HF_ENDPOINT", &hub.address);
        fetch
    };
    let path = |output: &Output| {
        assert!(output.status.success(), "{}", said(output));
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    };
    let first = path(&fetch("nobody/first").output().unwrap());
    let output = home.failing(&mut fetch("nobody/second"), fault, at);
    if !ended(&output, fault, at) {
        assert!(
            !home
                .path("hub/hub/models--nobody--second/refs/main")
                .exists()
        );
    }
    assert_eq!(std::fs::read(&first).unwrap(), server::model());
    let second = path(&fetch("nobody/second").output().unwrap());
    assert_eq!(std::fs::read(second).unwrap(), server::model());
}

#[test]
fn no_fault_of_a_disk_loses_what_was_saved_before() {
    let tries = std::env::var("CACHAT_TEST_FAULTS").map_or(2, |n| n.parse().unwrap());
    let mut kinds = 0;
    for (name, bytes, check) in FILES {
        for fault in FAULTS {
            let mut random = Random::new(kinds);
            for i in 0..tries {
                // From the first byte on, and from any.
                let share = if i == 0 { 0.0 } else { random.unit() };
                let at = (f64::from(share) * bytes as f64) as usize;
                println!("{name}: {fault} at byte {at}");
                check(&Home::new(), fault, at);
            }
            kinds += 1;
        }
    }
    assert_eq!(kinds, 24);
    println!("{kinds} kinds of faults, {tries} bytes each");
}

/// The system's limit on the size of files comes as a signal, which would end the program in the middle
/// of a line.
#[test]
fn a_file_that_may_not_grow_is_an_error_like_others() {
    let home = Home::new();
    let messages = || {
        let export = done(&mut home.cachat(&["sessions", "export", "s", "--json"]));
        export.as_array().cloned().unwrap_or_default()
    };
    done(&mut home.ask(&["--session", "s", "what is it?"]));
    let before = messages();
    let ask = home.ask(&["--session", "s", "--file", "text.txt", "and then?"]);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -f 1 && exec \"$0\" \"$@\""])
        .arg(ask.get_program())
        .args(ask.get_args())
        .current_dir(home.path(""))
        .stdin(Stdio::null());
    for (name, value) in ask.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let output = limited.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("too large"), "{}", said(&output));
    assert_eq!(messages()[..2], before);
    done(&mut home.ask(&["--session", "s", "and then?"]));
    assert_eq!(messages()[..2], before);
}
