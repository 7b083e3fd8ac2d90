//! The program as scripts meet it: exit statuses, messages, the shape of its records. Over small
//! generated models; no network.

mod common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use cachat::testing::random::Random;
use cachat::testing::{TinySpec, write_tiny_gguf};
use serde_json::Value;

const BIN: &str = env!("CARGO_BIN_EXE_cachat");
/// A policy that evicts in prompts of some hundred tokens.
const SMALL: [&str; 8] = [
    "--budget",
    "40",
    "--window",
    "8",
    "--slack",
    "8",
    "--temperature",
    "0",
];

/// A home of its own with a tiny model.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(spec: &TinySpec) -> Place {
        let folder = tempfile::tempdir().unwrap();
        write_tiny_gguf(folder.path().join("tiny.gguf"), spec).unwrap();
        Place { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// `cachat COMMAND --model MODEL --threads 1`, with nothing of the outside in it.
    fn with_model(&self, command: &str, model: &Path) -> std::process::Command {
        let mut cachat = common::program::cachat();
        cachat
            .env("CACHAT_HOME", self.folder.path())
            .env("HF_HOME", self.path("hub"))
            .args([command, "--threads", "1", "--model"])
            .arg(model);
        cachat
    }

    fn command(&self, command: &str) -> std::process::Command {
        self.with_model(command, &self.path("tiny.gguf"))
    }

    fn ask(&self) -> std::process::Command {
        let mut ask = self.command("ask");
        ask.args(SMALL);
        ask
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// It ended with `status` and one message that holds all of `says`, and printed nothing else.
fn refused(output: &Output, status: i32, says: &[&str]) {
    let message = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{message}");
    assert!(output.stdout.is_empty(), "something was printed");
    assert!(message.starts_with("cachat: "), "{message}");
    assert!(!message.contains('\u{1b}'), "{message}");
    assert!(!message.contains("internal error"), "{message}");
    for part in says {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn are(value: &Value, expected: &str) {
    let expected: BTreeSet<&str> = expected.split_whitespace().collect();
    assert_eq!(keys(value), expected);
}

#[test]
fn weights_that_are_no_numbers_are_an_error_that_names_the_file() {
    use cachat::model::gguf::GgufFile;
    let place = Place::new(&TinySpec::llama());
    let path = place.path("tiny.gguf");
    let mut bytes = std::fs::read(&path).unwrap();
    // Every logit comes through the norm behind the last layer.
    let file = GgufFile::open(&path).unwrap();
    let (_, _, norm) = file.tensor_data("output_norm.weight").unwrap();
    let at = bytes.windows(norm.len()).position(|w| w == norm).unwrap();
    bytes[at..at + norm.len()].fill(0xff);
    drop(file);
    std::fs::write(&path, bytes).unwrap();
    let output = place.ask().arg("hello").output().unwrap();
    refused(&output, 1, &["tiny.gguf", "NaN"]);
}

#[test]
fn what_is_no_model_is_refused_by_name() {
    let place = Place::new(&TinySpec::llama());
    let missing = place.path("none.gguf");
    let output = place
        .with_model("ask", &missing)
        .arg("hi")
        .output()
        .unwrap();
    refused(&output, 1, &["none.gguf"]);
    let text = place.file("notes.txt", "Dear diary,\n\nnothing happened.\n");
    let output = place.with_model("ask", &text).arg("hi").output().unwrap();
    refused(&output, 1, &["notes.txt", "GGUF"]);
    let empty = place.file("empty.gguf", "");
    let output = place.with_model("ask", &empty).arg("hi").output().unwrap();
    refused(&output, 1, &["empty.gguf"]);
    let document = place.path("none.txt");
    let output = place.ask().arg("--file").arg(document).output().unwrap();
    refused(&output, 1, &["there is no file", "none.txt"]);
}

/// What is given as ids asks nothing of a tokenizer.
#[test]
fn inspect_takes_ids_for_a_file_without_a_vocabulary() {
    let place = Place::new(&TinySpec::llama());
    let mut model = std::fs::read(place.path("tiny.gguf")).unwrap();
    let key = b"tokenizer.ggml.model";
    let key = model.windows(key.len()).position(|w| w == key).unwrap();
    let kind = model[key..].windows(4).position(|w| w == b"gpt2").unwrap();
    model[key + kind..][..4].copy_from_slice(b"none");
    let model = place.file("none.gguf", model);
    let ids: Vec<u32> = (3..63).collect();
    let ids = place.file("ids.json", serde_json::to_vec(&ids).unwrap());
    let output = place
        .with_model("inspect", &model)
        .args(["--budget", "40", "--window", "8", "--tokens"])
        .arg(ids)
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(json["tokens"], 60);
    assert_eq!(json["layers"].as_array().unwrap().len(), 2);
}

#[test]
fn an_unknown_architecture_is_named_and_its_escape_sequences_are_not_obeyed() {
    let place = Place::new(&TinySpec {
        architecture: "mamba\x1b[31m\x07",
        ..TinySpec::llama()
    });
    let output = place.ask().arg("hi").output().unwrap();
    refused(
        &output,
        1,
        &["mamba", "whose architecture is llama, qwen2,"],
    );
}

#[test]
fn a_model_cut_off_anywhere_is_refused() {
    let place = Place::new(&TinySpec::llama());
    let whole = std::fs::read(place.path("tiny.gguf")).unwrap();
    let mut random = Random::new(7);
    // Half of them in the header, which is small.
    let cuts = (0..40).map(|i| match i % 2 {
        0 => random.below(whole.len()),
        _ => random.below(whole.len().min(9000)),
    });
    for cut in cuts.chain([4, 8, 23, 24, whole.len() - 1]) {
        let path = place.file("cut.gguf", &whole[..cut]);
        let output = place.with_model("ask", &path).arg("hi").output().unwrap();
        refused(&output, 1, &["cut.gguf"]);
    }
}

#[test]
fn a_budget_within_the_window_is_wrong_usage() {
    let place = Place::new(&TinySpec::llama());
    for command in ["ask", "inspect"] {
        let output = place
            .command(command)
            .args(["--budget", "32", "hi"])
            .output()
            .unwrap();
        refused(&output, 2, &["smallest legal budget is 33"]);
    }
    let output = place.command("ask").output().unwrap();
    refused(&output, 2, &["nothing to ask"]);
    let output = place.command("ask").arg("--bugdet").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--budget"), "{}", stderr(&output));
}

#[test]
fn a_prompt_longer_than_the_context_is_refused_with_figures() {
    let place = Place::new(&TinySpec {
        context: 256,
        ..TinySpec::llama()
    });
    let long = place.file("long.txt", "x y ".repeat(100));
    for command in ["ask", "inspect"] {
        let output = place
            .command(command)
            .args(["--budget", "40", "--file"])
            .arg(&long)
            .output()
            .unwrap();
        refused(&output, 1, &["context of 256"]);
        let message = stderr(&output);
        let before = message.split(" more than").next().unwrap();
        let over: usize = before.rsplit(' ').next().unwrap().parse().unwrap();
        let needed = message.split(" tokens").next().unwrap();
        let needed: usize = needed.rsplit(' ').next().unwrap().parse().unwrap();
        assert_eq!(needed - over, 256, "{message}");
    }
}

/// Every answer of this model begins within a thought, and says what comes to its mind.
fn thinking_place() -> Place {
    Place::new(&TinySpec {
        template: "{%- for m in messages %}{{ m.role + ': ' + m.content.split('</think>')[-1] }}\
            {%- endfor %}{% if add_generation_prompt %}{{ 'assistant: <think>\n' }}{% endif %}",
        endless: true,
        ..TinySpec::llama()
    })
}

#[test]
fn thoughts_are_a_field_of_their_own_and_printed_only_where_asked_for() {
    let place = thinking_place();
    let ask = |more: &[&str]| {
        let mut ask = place.ask();
        ask.args(["--max-tokens", "60", "--think-tokens", "20"]);
        let output = ask.args(more).arg("why?").output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let record: Value = serde_json::from_str(&ask(&["--json"])).unwrap();
    let text = |key: &str| record[key].as_str().unwrap().to_owned();
    let (thoughts, answer) = (text("thoughts"), text("answer"));
    assert!(!thoughts.is_empty() && !answer.is_empty(), "{record}");
    assert!(!answer.contains("think") && !thoughts.contains("think"));
    let number = |key: &str| record[key].as_u64().unwrap();
    assert!((20..40).contains(&number("thought_tokens")), "{record}");
    assert_eq!(number("generated_tokens"), 60, "thoughts are counted");
    let shown = |text: &str| cachat::cli::safe::shown(text);
    assert_eq!(ask(&[]), format!("{}\n", shown(&answer)));
    let both = format!("{}\n\n{}\n", shown(&thoughts), shown(&answer));
    assert_eq!(ask(&["--show-thoughts"]), both);

    // A saved conversation keeps them; what is given away has them where that is asked for.
    let sessions = |more: &[&str]| {
        let mut sessions = std::process::Command::new(BIN);
        sessions.env("CACHAT_HOME", place.folder.path());
        let output = sessions.arg("sessions").args(more).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    ask(&["--session", "talk"]);
    let next: Value = serde_json::from_str(&ask(&["--session", "talk", "--json"])).unwrap();
    assert!(next["reused_tokens"].as_u64() > Some(0), "{next}");
    let export = |more: &[&str]| -> Value {
        let arguments = [&["export", "talk", "--json"], more].concat();
        serde_json::from_str(&sessions(&arguments)).unwrap()
    };
    assert_eq!(export(&[])[1]["content"], Value::String(answer));
    assert!(export(&[])[1].get("thoughts").is_none());
    assert_eq!(
        export(&["--thoughts"])[1]["thoughts"],
        Value::String(thoughts)
    );
    assert!(!sessions(&["show", "talk"]).contains("\n> "));
    assert!(sessions(&["show", "talk", "--thoughts"]).contains("\n> "));
}

#[test]
fn the_record_of_an_answer_has_the_shape_that_scripts_rely_on() {
    let place = Place::new(&TinySpec::llama());
    let document = place.file("long.txt", "the user on the hill in the sun ".repeat(20));
    let output = place
        .ask()
        .args(["--json", "--max-tokens", "80", "Which?", "--file"])
        .arg(document)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    are(
        &record,
        "answer thoughts stop prompt_tokens generated_tokens thought_tokens prefill_seconds decode_seconds \
         prefill_tokens_per_second decode_tokens_per_second policy budget model device kv \
         evictions reused_tokens recalled_entries archive steps drafted_tokens accepted_tokens",
    );
    are(&record["archive"], "mode bytes path");
    are(
        &record["kv"],
        "used_bytes allocated_bytes peak_bytes full_bytes dtype",
    );
    for round in record["evictions"].as_array().unwrap() {
        are(
            round,
            "trigger turn before_entries after_entries freed_bytes retained_mass \
             uniform_retained_mass milliseconds",
        );
    }
    assert_eq!(record["evictions"][0]["trigger"], "prefill");
    assert!(["eos", "length"].contains(&record["stop"].as_str().unwrap()));
    assert_eq!(
        (&record["budget"], &record["policy"]),
        (&40.into(), &"pooled-blend".into())
    );
    // Two layers of two heads, 16 dimensions in f16; the safeguard's rounding may add one.
    let most = 2 * 2 * (40 + 8 + 1) * (2 * 16 * 2);
    let kv = |key: &str| record["kv"][key].as_u64().unwrap();
    assert!(kv("used_bytes") <= most, "{} of {most}", kv("used_bytes"));
    assert!(kv("used_bytes") <= kv("allocated_bytes"));
    assert!(kv("allocated_bytes") <= kv("peak_bytes"));
    assert!(kv("full_bytes") > 2 * kv("used_bytes"));
}

#[test]
fn an_inspection_has_its_shape_and_takes_text_as_ask_does() {
    let place = Place::new(&TinySpec::qwen2());
    let document = place.file("long.txt", "the user on the hill in the sun ".repeat(20));
    let eviction = &SMALL[..6];
    let mut by_text = place.command("inspect");
    by_text
        .args(eviction)
        .args(["--generate", "4", "Which?", "--file"])
        .arg(&document);
    let output = by_text.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text: Value = serde_json::from_slice(&output.stdout).unwrap();
    are(
        &text,
        "model policy budget window kernel alpha tokens layers full evicted kv memory",
    );
    are(
        &text["model"],
        "name architecture layers heads kv_heads head_dim",
    );
    assert_eq!(text["layers"].as_array().unwrap().len(), 2);
    for layer in text["layers"].as_array().unwrap() {
        are(layer, "budgets kept retained_mass l1_loss l1_full");
        let kept = layer["kept"].as_array().unwrap();
        for (kept, budget) in kept.iter().zip(layer["budgets"].as_array().unwrap()) {
            assert_eq!(
                kept.as_array().unwrap().len() as u64,
                budget.as_u64().unwrap()
            );
        }
    }
    are(&text["full"], "last_logits_top greedy");
    are(
        &text["evicted"],
        "greedy kl kl_mean top1_agree first_divergence",
    );
    are(
        &text["kv"],
        "used_bytes allocated_bytes peak_bytes full_bytes dtype",
    );
    assert_eq!(
        text["full"]["last_logits_top"].as_array().unwrap().len(),
        50
    );

    // The same prompt as `ask` has it, and the same as ids.
    let mut ask = place.ask();
    ask.args(["--json", "--max-tokens", "1", "Which?", "--file"])
        .arg(&document);
    let record: Value = serde_json::from_slice(&ask.output().unwrap().stdout).unwrap();
    assert_eq!(record["prompt_tokens"], text["tokens"]);
    let ids = Command::new(BIN)
        .args(["tokenize", "--model"])
        .arg(place.path("tiny.gguf"))
        .write_stdin(format!(
            "<|im_start|>system\nYou are a tiny model<|im_end|>\n<|im_start|>user\n[long.txt]\n\
             {}\n[end of long.txt]\n\nWhich?<|im_end|>\n<|im_start|>assistant\n",
            "the user on the hill in the sun ".repeat(20).trim_end()
        ))
        .output()
        .unwrap();
    for (name, ids) in [
        ("array.json", String::from_utf8(ids.stdout.clone()).unwrap()),
        (
            "object.json",
            format!("{{\"tokens\": {}}}", String::from_utf8(ids.stdout).unwrap()),
        ),
    ] {
        let mut by_ids = place.command("inspect");
        by_ids.args(eviction).args(["--generate", "4", "--tokens"]);
        let output = by_ids.arg(place.file(name, ids)).output().unwrap();
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["layers"], text["layers"]);
        assert_eq!(found["evicted"], text["evicted"]);
    }
}

#[test]
fn a_comparison_measures_every_policy_against_the_full_cache() {
    let place = Place::new(&TinySpec::llama());
    let document = place.file("long.txt", "the user on the hill in the sun ".repeat(20));
    let compare = |more: &[&str]| {
        let mut compare = place.command("compare");
        compare.args(["--budget", "40", "--window", "8", "--file"]);
        compare.arg(&document).args(["-n", "24", "Which?"]);
        compare.args(more).output().unwrap()
    };
    let output = compare(&["--json", "--policies", "snapkv,ada-reach"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    let runs = record["runs"].as_array().unwrap();
    let policies: Vec<_> = runs.iter().map(|r| r["policy"].as_str().unwrap()).collect();
    assert_eq!(policies, ["full", "snapkv", "ada-reach"]);
    let kv = |run: &Value, key: &str| run[key].as_u64().unwrap();
    assert_eq!(kv(&runs[0], "kv_used_bytes"), kv(&runs[0], "kv_full_bytes"));
    assert!(runs[0]["kl_mean"].is_null());
    for run in &runs[1..] {
        assert!(kv(run, "kv_used_bytes") * 2 < kv(run, "kv_full_bytes"));
        assert!(run["kl_mean"].as_f64().unwrap() >= 0.0);
        assert!(run["retained_mass"].as_f64().unwrap() < 1.0);
    }

    let output = compare(&[]);
    let table = String::from_utf8(output.stdout).unwrap();
    for part in ["full", "blend", "pooled-blend", "KL"] {
        assert!(table.contains(part), "`{part}` is not in:\n{table}");
    }
    assert_eq!(compare(&["--policies", "best"]).status.code(), Some(2));
}

#[test]
fn token_files_that_make_no_sense_are_refused() {
    let place = Place::new(&TinySpec::llama());
    for (content, says) in [
        ("[]", "no tokens"),
        ("[1, -2]", "array of token ids"),
        ("{\"ids\": [1]}", "array of token ids"),
        ("[1, 2", "t.json"),
        ("[1, 99999]", "99999"),
    ] {
        let path = place.file("t.json", content);
        let mut inspect = place.command("inspect");
        inspect.arg("--tokens").arg(path);
        refused(&inspect.output().unwrap(), 1, &[says]);
    }
}

/// Whatever it comes through: as much is read as of a document.
#[test]
fn input_without_end_is_refused_with_figures() {
    let place = Place::new(&TinySpec::llama());
    let path = place.file("large.json", "");
    let large = std::fs::File::options().write(true).open(&path).unwrap();
    large.set_len(cachat::document::LIMIT + (1 << 20)).unwrap();
    let says = ["is too large: 6", "at most 64 MiB are read"];
    let folder = ["is a folder"];
    let mut tokenize = place.command("tokenize");
    tokenize.stdin(std::fs::File::open(&path).unwrap());
    refused(&tokenize.output().unwrap(), 1, &says);
    for (command, option, status) in [("inspect", "--tokens", 1), ("ask", "--turns", 2)] {
        for (path, says) in [
            (path.as_path(), &says[..]),
            (place.folder.path(), &folder[..]),
        ] {
            let mut command = place.command(command);
            command.arg(option).arg(path);
            refused(&command.output().unwrap(), status, says);
        }
    }
}

#[cfg(unix)]
#[test]
fn arguments_that_are_not_utf8_are_wrong_usage() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::process::CommandExt;
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    let output = std::process::Command::new(BIN).arg(odd).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("invalid UTF-8"), "{said}");
    let mut renamed = std::process::Command::new(BIN);
    let output = renamed.arg0(odd).arg("--version").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn tokenize_refuses_what_is_not_utf8() {
    let place = Place::new(&TinySpec::llama());
    let run = |stdin: &[u8]| {
        Command::new(BIN)
            .args(["tokenize", "--model"])
            .arg(place.path("tiny.gguf"))
            .write_stdin(stdin)
            .output()
            .unwrap()
    };
    refused(&run(b"abc\xff\xfe"), 1, &["not UTF-8", "byte 4"]);
    let ids: Vec<u32> = serde_json::from_slice(&run("<|im_end|>é".as_bytes()).stdout).unwrap();
    // The control token, and the two bytes of the letter.
    assert_eq!(ids.len(), 3);
    assert_eq!(ids[0], cachat::testing::tiny::IM_END);
    assert_eq!(run(b"").stdout, b"[]\n");
}

#[test]
fn a_models_escape_sequences_are_not_printed() {
    // A model of random weights at a high temperature says every byte there is.
    let place = Place::new(&TinySpec::llama());
    let mut control = 0;
    for seed in 0..12 {
        let mut ask = place.command("ask");
        ask.args([
            "--temperature",
            "50",
            "--top-k",
            "0",
            "--top-p",
            "1",
            "--max-tokens",
            "1500",
        ]);
        ask.args(["--seed", &seed.to_string(), "hi"]);
        let output = ask.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let raw = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        assert!(!text.contains(raw), "seed {seed}: {text:?}");
        control += text.matches('␛').count();
    }
    assert!(
        control > 0,
        "no escape character was drawn, so nothing is shown"
    );
}

/// An answer that goes on for long.
fn endless(place: &Place, more: &[&str]) -> Child {
    let mut ask = place.ask();
    ask.args(["--max-tokens", "500000", "--repeat-penalty", "1"])
        .args(more)
        .arg("tell me a story")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    ask.spawn().unwrap()
}

/// The same, once it has begun to say something.
fn answering(place: &Place) -> Child {
    let mut child = endless(place, &[]);
    let mut some = [0; 20];
    let out = child.stdout.as_mut().unwrap();
    out.read_exact(&mut some).unwrap();
    child
}

fn endless_place() -> Place {
    Place::new(&TinySpec {
        context: 1_000_000,
        endless: true,
        ..TinySpec::llama()
    })
}

/// Waits for the end: status, the rest of the output, and what was complained about.
fn ended(mut child: Child) -> (Option<i32>, String, String) {
    let drain = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = pipe {
                pipe.read_to_end(&mut bytes).unwrap();
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let said = drain(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let complaint = drain(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        if begun.elapsed() > Duration::from_secs(120) {
            let _ = child.kill();
            panic!("it did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    (status, said.join().unwrap(), complaint.join().unwrap())
}

#[test]
fn a_closed_pipe_is_quiet() {
    let place = endless_place();
    let mut child = answering(&place);
    drop(child.stdout.take());
    let (status, _, complaint) = ended(child);
    assert_eq!((status, complaint.as_str()), (Some(0), ""));
}

#[cfg(unix)]
fn interrupt(child: &Child) {
    let kill = format!("kill -INT {}", child.id());
    let sent = std::process::Command::new("sh")
        .args(["-c", &kill])
        .status();
    assert!(sent.unwrap().success());
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_was_said_and_ends_with_130() {
    let place = endless_place();
    let child = answering(&place);
    interrupt(&child);
    let (status, said, complaint) = ended(child);
    assert_eq!((status, complaint.as_str()), (Some(130), ""));
    assert!(said.ends_with('\n'));
}

#[cfg(unix)]
#[test]
fn an_interrupted_record_is_whole() {
    let place = endless_place();
    let mut child = endless(&place, &["--json", "--session", "s"]);
    // Nothing is printed before the end; how far the answer is can be read in the conversation. A token
    // is a few bytes, and every 8 of them are a round.
    let answered = || {
        let file = std::fs::read(place.path("sessions/s.jsonl")).unwrap_or_default();
        let turns = cachat::saved::read(&file).turns;
        let answer = turns.first().and_then(|turn| turn.answer.as_deref());
        answer.map_or(0, str::len)
    };
    while answered() < 200 {
        let status = child.try_wait().unwrap();
        assert!(status.is_none(), "it ended by itself: {status:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    interrupt(&child);
    let (status, said, complaint) = ended(child);
    assert_eq!((status, complaint.as_str()), (Some(130), ""));
    let record: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(record["stop"], "interrupted");
    let rounds = record["evictions"].as_array().unwrap();
    assert!(rounds.iter().any(|round| round["trigger"] == "decode"));
}

#[test]
fn what_is_piped_is_a_document_before_the_question() {
    let place = Place::new(&TinySpec::llama());
    let mut child = place
        .ask()
        .args(["--json", "--max-tokens", "1", "Which?"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"piped text\n")
        .unwrap();
    let record: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    let bytes = "[stdin]\npiped text\n[end of stdin]\n\nWhich?".len() as u64;
    assert!(record["prompt_tokens"].as_u64().unwrap() > bytes / 2);
}

#[test]
fn saved_conversations_are_listed_exported_and_deleted_on_purpose_only() {
    let folder = tempfile::tempdir().unwrap();
    let sessions = folder.path().join("sessions");
    std::fs::create_dir(&sessions).unwrap();
    let file = sessions.join("2026-11-03T10-00-00.jsonl");
    let lines = [
        r#"{"cachat":1,"created":"2026-11-03T10:00:00Z"}"#,
        r#"{"user":[{"file":{"name":"a.txt","text":"A lease.\n"}},{"text":"Who \u001b[31mmay?"},{"paste":"A clause."},{"text":"Why?"}]}"#,
        r#"{"answer":"Either "}"#,
        r#"{"answer":"party."}"#,
    ];
    std::fs::write(&file, lines.map(|l| format!("{l}\n")).concat()).unwrap();
    let cachat = |args: &[&str]| {
        let out = std::process::Command::new(BIN)
            .env("CACHAT_HOME", folder.path())
            .arg("sessions")
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (
            out.status.code(),
            String::from_utf8(out.stdout).unwrap(),
            String::from_utf8(out.stderr).unwrap(),
        )
    };
    let (_, table, _) = cachat(&[]);
    assert!(table.contains("2026-11-03T10-00-00") && table.contains("1 turn"));
    assert!(table.contains("a.txt Who ␛[31mmay?"), "{table:?}");
    assert_eq!(cachat(&["list", "PARTY"]).1, table);
    let (status, none, said) = cachat(&["list", "elephant"]);
    assert_eq!((status, none.as_str()), (Some(0), ""));
    assert!(said.contains("elephant"));
    let (_, text, _) = cachat(&["show", "2026"]);
    assert!(
        text.contains("[a.txt]\nA lease.\n[end of a.txt]\n\nA clause.\n\nWho ␛[31mmay?\n\nWhy?\n")
    );
    assert!(text.ends_with("## Cachat\n\nEither party.\n\n"));
    let (_, messages, _) = cachat(&["export", "2026", "--json"]);
    let messages: Value = serde_json::from_str(&messages).unwrap();
    assert_eq!(
        messages[1],
        serde_json::json!({"role": "assistant", "content": "Either party."})
    );
    let (status, _, said) = cachat(&["show", "2025"]);
    assert_eq!(status, Some(1));
    assert!(said.contains("`cachat sessions` lists them"), "{said}");
    let path = folder.path().join("talk.md");
    let output = ["export", "2026", "--output", path.to_str().unwrap()];
    assert_eq!(cachat(&output).0, Some(0));
    assert_eq!(cachat(&output).0, Some(1), "nothing is written over");
    assert_eq!(cachat(&["delete", "2026"]).0, Some(2));
    assert!(file.exists());
    assert_eq!(cachat(&["delete", "2026", "--yes"]).0, Some(0));
    assert!(!file.exists());
}

/// Names of files, titles and models are anybody's: on a terminal, in a pipe and in JSON.
#[test]
fn no_name_reaches_the_terminal_raw() {
    use cachat::unseen::{KINDS, harmless};
    let folder = tempfile::tempdir().unwrap();
    // What a file can be called.
    let evil: String = KINDS.chars().filter(|c| *c != '\0').collect();
    for (below, end) in [("sessions", "jsonl"), ("models", "gguf")] {
        std::fs::create_dir(folder.path().join(below)).unwrap();
        let path = folder.path().join(below).join(format!("a{evil}.{end}"));
        let question = serde_json::json!({"user": [{"text": format!("why {KINDS}")}]});
        std::fs::write(
            path,
            format!("{{\"cachat\":1,\"created\":\"\"}}\n{question}\n"),
        )
        .unwrap();
    }
    let file = folder.path().join("talk.json");
    for args in [
        &["sessions"][..],
        &["sessions", "list", "--json"],
        &["sessions", "show", "a"],
        &["sessions", "export", "a", "--json"],
        &[
            "sessions",
            "export",
            "a",
            "--json",
            "-o",
            file.to_str().unwrap(),
        ],
        &["models"],
        &["models", "--json"],
        &["ask", "--model", &format!("x{}", &evil[1..]), "hi"],
        &["sessions", "show", &format!("x{evil}")],
        &["sessions", "delete", "a", "--yes"],
    ] {
        let output = std::process::Command::new(BIN)
            .env("CACHAT_HOME", folder.path())
            .env("HF_HOME", folder.path())
            .env("HF_HUB_OFFLINE", "1")
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        for bytes in [output.stdout, output.stderr] {
            let text = String::from_utf8(bytes).unwrap();
            assert!(
                text.chars().all(|c| harmless(c) || c == '\t'),
                "{args:?}: {text:?}"
            );
        }
    }
    let exported: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(exported[0]["content"], format!("why {KINDS}").trim());
    assert_eq!(
        std::fs::read_dir(folder.path().join("sessions"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn settings_reach_the_terminal_escaped_and_say_the_same() {
    use cachat::unseen::{KINDS, harmless};
    let folder = tempfile::tempdir().unwrap();
    let escaped: String = KINDS
        .chars()
        .map(|c| format!("\\U{:08X}", c as u32))
        .collect();
    let written = ["model", "system", "theme"].map(|key| format!("{key} = \"x{escaped}x\"\n"));
    std::fs::write(folder.path().join("config.toml"), written.concat()).unwrap();
    let output = common::program::cachat()
        .env("CACHAT_HOME", folder.path())
        .arg("config")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.chars().all(|c| harmless(c) || c == '\t'), "{text:?}");
    let settings: toml::Table = toml::from_str(&text).unwrap();
    let said = format!("x{KINDS}x");
    for key in ["model", "system", "theme"] {
        let told = settings.get(key).and_then(toml::Value::as_str);
        assert_eq!(told, Some(said.as_str()), "{key}");
    }
}

#[test]
fn a_word_of_63_megabytes_is_refused_with_figures_and_little_memory() {
    let place = Place::new(&TinySpec::llama());
    for letter in ["a", "\u{1f600}"] {
        let path = place.file("word.txt", letter.repeat((63 << 20) / letter.len()));
        let begun = Instant::now();
        let mut ask = place.ask();
        ask.arg("--file").arg(path).stderr(Stdio::piped());
        let mut child = ask.spawn().unwrap();
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            peak = peak.max(peak_kib(child.id()));
            std::thread::sleep(Duration::from_millis(5));
        }
        let said = stderr(&child.wait_with_output().unwrap());
        println!("{letter}: {peak} KiB in {:?}", begun.elapsed());
        assert!(
            said.contains("more than the model's context of 2,048"),
            "{said}"
        );
        assert!(peak < 1 << 20, "{peak} KiB");
        // It took half a minute before; machines are busy.
        assert!(begun.elapsed() < Duration::from_secs(120));
    }
}

/// Most memory that a process had, where the system says it.
fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// However long a name is, a message is a message.
#[test]
fn names_in_messages_are_bounded() {
    let place = Place::new(&TinySpec::llama());
    let name = "x".repeat(30_000);
    for model in [
        name.clone(),
        format!("/{name}"),
        format!("{name}/{name}:{name}"),
    ] {
        let output = place
            .with_model("ask", Path::new(&model))
            .arg("hi")
            .env("HF_HUB_OFFLINE", "1")
            .output()
            .unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.len() < 7_000, "{}", said.len());
    }
}

/// What a system without memory does to a model that is loaded: a message, no core.
#[cfg(target_os = "linux")]
#[test]
fn out_of_memory_while_loading_is_said() {
    let place = Place::new(&TinySpec {
        layers: 8,
        hidden: 512,
        heads: 8,
        head_dim: 64,
        ffn: 4096,
        quant: candle_core::quantized::GgmlDType::Q8_0,
        ..TinySpec::llama()
    });
    let mut ends = BTreeSet::new();
    for exact in ["", "--exact"] {
        // From what is too little for anything to what is enough.
        for megabytes in (40..400).step_by(45) {
            let model = place.path("tiny.gguf");
            let output = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!(
                    "ulimit -v {}; exec {BIN} ask --model {} --threads 1 {exec} --max-tokens 1 hi",
                    megabytes * 1024,
                    model.display(),
                    exec = exact
                ))
                .env("CACHAT_HOME", place.folder.path())
                .output()
                .unwrap();
            let said = stderr(&output);
            ends.insert(output.status.code());
            match output.status.code() {
                Some(0) => {}
                Some(1) => {
                    let why = ["memory", "resource", "unavailable", "are left of"];
                    assert!(why.iter().any(|why| said.contains(why)), "{said}");
                }
                // The loader of programs itself.
                Some(127) => {}
                code => panic!("{code:?} with {megabytes} MB: {said}"),
            }
        }
    }
    assert!(
        ends.contains(&Some(0)) && ends.contains(&Some(1)),
        "{ends:?}"
    );
}

/// A text that there is no memory for is not begun with: the system would end the program.
#[cfg(target_os = "linux")]
#[test]
fn a_text_that_memory_is_too_small_for_is_refused_with_figures() {
    let place = Place::new(&TinySpec {
        layers: 24,
        kv_heads: 8,
        heads: 8,
        head_dim: 64,
        context: 65_536,
        ..TinySpec::llama()
    });
    let text = place.path("long.txt");
    std::fs::write(&text, "one two three four ".repeat(2_000)).unwrap();
    let ask = |policy: &str| {
        let output = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!(
                "ulimit -v {}; exec {BIN} ask --model {} --threads 1 --max-tokens 1 {policy} \
                 --archive off --file {} hi",
                700 * 1024,
                place.path("tiny.gguf").display(),
                text.display()
            ))
            .env("CACHAT_HOME", place.folder.path())
            .output()
            .unwrap();
        (output.status.code(), stderr(&output))
    };
    let (code, said) = ask("--policy full");
    assert_eq!(code, Some(1), "{said}");
    for part in [
        "reading it takes about",
        "(cache 1.",
        "are left of the address space",
        "a budget of",
        "or a text of",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Templates come with models. One that does more in a single step than fuel can bound ends in time.
#[test]
fn a_template_that_never_ends_is_ended() {
    let place = Place::new(&TinySpec::llama());
    let whole = std::fs::read(place.path("tiny.gguf")).unwrap();
    let at = |text: &[u8]| whole.windows(text.len()).position(|w| w == text).unwrap();
    let from = at(b"{% for message in messages %}");
    let end = b"<|im_start|>assistant\n' }}{% endif %}";
    let length = at(end) + end.len() - from;
    let lists = "{% set n = namespace(a=[1], b=[1]) %}{% for _ in range(40) %}\
        {% set n.a = [n.a, n.a] %}{% set n.b = [n.b, n.b] %}{% endfor %}";
    for step in [
        "{{ n.a == n.b }}",
        "{{ [n.a, n.b] | unique | list | length }}",
    ] {
        let source = format!("{lists}{step}");
        let source = format!("{source}{{#{:1$}#}}", "", length - source.len() - 4);
        let mut bytes = whole.clone();
        bytes[from..from + length].copy_from_slice(source.as_bytes());
        let model = place.file("hostile.gguf", bytes);
        let begun = Instant::now();
        let output = place.with_model("ask", &model).arg("hi").output().unwrap();
        let (said, took) = (stderr(&output), begun.elapsed());
        println!("{step}: {took:?} {said}");
        assert!(said.contains("chat template fails"), "{step}: {said}");
        // Without the bound it takes for ever; machines are busy.
        assert!(took < Duration::from_secs(120), "{step} took {took:?}");
    }
}

#[test]
fn a_slip_in_the_name_of_a_command_does_not_begin_a_chat() {
    let place = Place::new(&TinySpec::llama());
    let mut cachat = std::process::Command::new(BIN);
    cachat.env("CACHAT_HOME", place.path("")).arg("bencch");
    let output = cachat.stdin(Stdio::null()).output().unwrap();
    let said = "there is no command `bencch`; did you mean `cachat bench`?";
    refused(&output, 2, &[said]);
}

/// Made models only: nothing is fetched and no file of a model is there.
#[test]
fn the_doctor_finds_the_cpu_well() {
    let folder = tempfile::tempdir().unwrap();
    let doctor = |arguments: &[&str]| {
        let mut cachat = std::process::Command::new(BIN);
        cachat.env("CACHAT_HOME", folder.path()).arg("doctor");
        let cachat = cachat.args(arguments).stdin(Stdio::null());
        cachat.output().unwrap()
    };
    let output = doctor(&["--device", "cpu"]);
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{said}{}", stderr(&output));
    assert!(said.starts_with("cachat  "), "{said}");
    let cases = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(cases > 20, "{said}");
    let all = format!("{cases} of {cases} cases are ok on cpu");
    assert!(said.contains(&all), "{said}");
    if !cfg!(feature = "cuda") {
        let output = doctor(&["--device", "cuda", "--json"]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("cuda cannot be used"), "{said}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["ok"], Value::Bool(false));
        assert!(report["machine"]["products"].is_string(), "{report}");
    }
}

/// A share of few words is less than the window: they are answered all the same.
#[test]
fn a_share_of_a_short_prompt_refuses_nothing() {
    let place = Place::new(&TinySpec::llama());
    let ask = |budget: &str| {
        let ask = place
            .command("ask")
            .args(["--json", "-n", "2", "-b", budget, "hi"])
            .output();
        ask.unwrap()
    };
    let answer: Value = serde_json::from_slice(&ask("25%").stdout).unwrap();
    assert_eq!(answer["budget"], 33, "{answer}");
    // Entries and sizes that leave nothing are still refused, with the least that would do.
    refused(&ask("16"), 2, &["the smallest legal budget is 33"]);
    refused(
        &ask("1kb"),
        2,
        &["the smallest legal size for this model is"],
    );
}

#[test]
fn a_named_conversation_goes_on_whatever_its_name_becomes() {
    let place = Place::new(&TinySpec::llama());
    for name in ["a/b", "", "../evil", "-x:y"] {
        for _ in 0..2 {
            let mut ask = place.command("ask");
            let ask = ask.args(["--json", "-n", "2", "hi"]);
            let output = ask.arg(format!("--session={name}")).output().unwrap();
            assert!(output.status.success(), "{name}: {}", stderr(&output));
        }
    }
    let mut list = std::process::Command::new(BIN);
    let list = list.env("CACHAT_HOME", place.folder.path());
    let list = list.args(["sessions", "list", "--json"]).output().unwrap();
    let list: Vec<Value> = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(list.len(), 4, "{list:?}");
    assert!(list.iter().all(|one| one["turns"] == 2), "{list:?}");
}

/// The largest number that is read.
const BEYOND: &str = "18446744073709551615";

#[test]
fn numbers_out_of_range_are_told_from_options() {
    let place = Place::new(&TinySpec::llama());
    for (option, value, says) in [
        ("--alpha", "-0.1", "must be between 0 and 1"),
        ("--temperature", "-1", "must be 0 (greedy) or more"),
        ("--seed", "-1", "invalid value '-1'"),
        ("--budget", BEYOND, "must be at most 4294967295"),
        ("--window", BEYOND, "must be at most 4294967295"),
        ("--kernel", BEYOND, "must be at most 4294967295"),
        ("--slack", BEYOND, "must be at most 4294967295"),
    ] {
        let output = place
            .command("ask")
            .args([option, value, "hi"])
            .output()
            .unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{option} {value}: {said}");
    }
    let mut cachat = std::process::Command::new(BIN);
    let cachat = cachat.env("CACHAT_HOME", place.folder.path());
    let output = cachat.args(["ask", "--threads", "20000", "hi"]).output();
    refused(&output.unwrap(), 2, &["must be between 0"]);
    let mut bench = place.command("bench");
    let output = bench.args(["--contexts", BEYOND]).output();
    refused(&output.unwrap(), 2, &["do not fit the model's context"]);
}

/// What is allowed, and what a size comes to, is nothing that numbers do not hold.
#[test]
fn the_largest_numbers_are_answered_as_others_are() {
    let place = Place::new(&TinySpec::llama());
    let most = "4294967295";
    for policy in ["ada-snapkv", "ada-pyramidkv", "pooled-blend"] {
        for options in [
            ["--kernel", most, "--slack", most, "--budget", "40"],
            ["--kernel", most, "--slack", most, "--budget", most],
            [
                "--kernel",
                "7",
                "--slack",
                "8",
                "--budget",
                "16000000000GiB",
            ],
        ] {
            let mut ask = place.command("ask");
            let ask = ask.args(["--json", "-n", "8", "--window", "8"]);
            let ask = ask.args(["--policy", policy]).args(options);
            let output = ask.arg("what is said of it all?").output().unwrap();
            assert!(output.status.success(), "{}", stderr(&output));
            let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
            let rounds = answer["evictions"].as_array().unwrap();
            let decode = rounds.iter().filter(|round| round["trigger"] == "decode");
            assert_eq!(decode.count(), 0, "{policy} {options:?}");
            let prefill = options[5] == "40";
            assert_eq!(!rounds.is_empty(), prefill, "{policy} {options:?}");
        }
    }
}

#[test]
fn an_inspection_says_null_where_there_is_nothing_to_say() {
    let place = Place::new(&TinySpec::llama());
    let tokens = place.file("tokens.json", "\u{feff}[1, 2, 3, 4, 5]");
    let inspect = |more: &[&str]| {
        let mut inspect = place.command("inspect");
        let inspect = inspect.arg("--tokens").arg(&tokens).args(more);
        inspect.output().unwrap()
    };
    let found = inspect(&["--policy", "full", "--generate", "1"]);
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(found["budget"], Value::Null);
    assert_eq!(found["evicted"]["kl_mean"], Value::Null);
    assert_eq!(found["evicted"]["top1_agree"], Value::Null);
    let found = inspect(&["--generate", "2"]);
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(found["evicted"]["top1_agree"], 1.0);
    let beyond = inspect(&["--generate", "100000"]);
    refused(&beyond, 2, &["goes beyond the model's context"]);
}
