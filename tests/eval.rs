//! `cachat eval` as scripts meet it: rows of data files, tables, runs that were ended, wrong rows. Over a
//! small generated model; no network.

mod common;

use std::path::{Path, PathBuf};
use std::process::Output;

use cachat::testing::{TinySpec, write_tiny_gguf};
use serde_json::{Value, json};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let spec = TinySpec {
            endless: true,
            ..TinySpec::llama()
        };
        write_tiny_gguf(folder.path().join("tiny.gguf"), &spec).unwrap();
        Place(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn rows(&self, name: &str, rows: &[Value]) -> PathBuf {
        let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
        let path = self.path(name);
        std::fs::write(&path, lines).unwrap();
        path
    }

    fn eval(&self, args: &[&str]) -> Output {
        common::program::cachat()
            .env("CACHAT_HOME", self.0.path())
            .args(["eval", "--threads", "1", "--window", "8", "--model"])
            .arg(self.path("tiny.gguf"))
            .args(args)
            .output()
            .unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let out = self.eval(&[args, &["--json"]].concat());
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        serde_json::from_slice(&out.stdout).unwrap()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn words(n: usize) -> String {
    (0..n)
        .map(|i| format!("The word number {i} is here. "))
        .collect()
}

/// A row of each form, made by hand.
fn data(place: &Place) -> [PathBuf; 3] {
    let longbench = |i: usize| {
        json!({"input": format!("Which is {i}?"), "context": words(20 + i), "answers": ["word"],
            "length": 100, "dataset": "qasper", "language": "en", "all_classes": null, "_id": format!("id{i}")})
    };
    let ruler = json!({"index": 0, "input": format!("Memorize. {}\nWhat is it?", words(20)),
        "outputs": ["1234567"], "length": 200, "answer_prefix": " It is"});
    let leval = json!({"instructions": ["Who? A. x B. y", "Where?"], "input": words(30),
        "outputs": ["A. x", "B"], "source": "quality", "evaluation": "exam"});
    [
        place.rows("qasper.jsonl", &[longbench(0), longbench(1), longbench(2)]),
        place.rows("niah_single_1.jsonl", &[ruler]),
        place.rows("quality.jsonl", &[leval]),
    ]
}

#[test]
fn rows_of_every_form_become_a_table() {
    let place = Place::new();
    let [longbench, ruler, leval] = data(&place);
    let prompts = place.path("dataset2prompt.json");
    std::fs::write(
        &prompts,
        json!({"qasper": "Article: {context}\n\nQuestion: {input}\nAnswer:"}).to_string(),
    )
    .unwrap();
    let lengths = place.path("dataset2maxlen.json");
    std::fs::write(&lengths, json!({"qasper": 5}).to_string()).unwrap();
    let common = [
        "--policies",
        "snapkv,ada-snapkv",
        "--budgets",
        "40,25%",
        "--out",
    ];
    let out = place.path("run");
    let files = [text(&longbench), text(&ruler), "--data", text(&leval)];
    let tables = ["--prompts", text(&prompts), "--max-gen", text(&lengths)];
    let report = place.json(&[&files[..], &tables, &common, &[text(&out)]].concat());
    let rows = report["rows"].as_array().unwrap();
    let sets = ["qasper", "niah_single_1", "quality", "all"];
    // Full, and four policies at two budgets.
    assert_eq!(rows.len(), sets.len() * 9);
    for row in rows {
        assert!(sets.contains(&row["dataset"].as_str().unwrap()), "{row}");
        let at = |name: &str| {
            row[name]
                .as_f64()
                .unwrap_or_else(|| panic!("{name} of {row}"))
        };
        assert!(at("low") <= at("score") && at("score") <= at("high") && at("high") <= 1.0);
        assert!(at("kept_share") > 0.0 && at("bytes") > 0.0);
        assert_eq!(row["vs_full"].is_null(), row["policy"] == "full");
    }
    // Eight against the full cache, six against the first policy at their budget.
    assert_eq!(report["paired"].as_array().unwrap().len(), 14);
    let answers = std::fs::read_to_string(out.join("answers.jsonl")).unwrap();
    let answers: Vec<Value> = answers
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // Three rows with one question, one with one, one with two.
    assert_eq!(answers.len(), 6 * 9);
    let qasper = answers.iter().filter(|a| a["dataset"] == "qasper");
    assert!(
        qasper
            .clone()
            .all(|a| a["answer_tokens"].as_u64().unwrap() <= 5)
    );
    assert!(
        answers
            .iter()
            .all(|a| a["references"].as_array().is_some_and(|r| !r.is_empty()))
    );
}

/// Whatever was written before a run was ended, it goes on to the same table.
#[test]
fn a_run_that_was_ended_goes_on_to_the_same_table() {
    let place = Place::new();
    let [longbench, _, leval] = data(&place);
    let out = place.path("run");
    let args = |resume: &[&'static str]| -> Vec<String> {
        let fixed = ["--mode", "later", "--policies", "snapkv", "--budgets", "40"];
        let paths = [text(&longbench), text(&leval), "--out", text(&out)];
        [&fixed[..], &paths, resume]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    let run = |resume: &[&'static str]| {
        let args = args(resume);
        place.eval(&args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let whole = run(&[]);
    assert!(
        whole.status.success(),
        "{}",
        String::from_utf8_lossy(&whole.stderr)
    );
    let table = String::from_utf8(whole.stdout).unwrap();
    assert!(
        table.starts_with("| set ") && table.contains("| random "),
        "{table}"
    );
    let path = out.join("answers.jsonl");
    let answers = std::fs::read(&path).unwrap();
    for cut in [
        0,
        1,
        answers.len() / 3,
        answers.len() / 2,
        answers.len() - 1,
        answers.len(),
    ] {
        std::fs::write(&path, &answers[..cut]).unwrap();
        let again = run(&["--resume"]);
        assert!(
            again.status.success(),
            "{}",
            String::from_utf8_lossy(&again.stderr)
        );
        assert_eq!(String::from_utf8(again.stdout).unwrap(), table, "{cut}");
        let lines = |bytes: &[u8]| bytes.iter().filter(|&&b| b == b'\n').count();
        assert_eq!(lines(&std::fs::read(&path).unwrap()), lines(&answers));
    }
    // Not by mistake into answers that are there, and not under other conditions.
    let over = run(&[]);
    assert_eq!(over.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&over.stderr).contains("--resume"));
    let other = run(&["--resume", "--seed", "2"]);
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&other.stderr).contains("other conditions"));
}

/// What is asked and how is all that a run's answers depend on.
#[test]
fn a_run_goes_on_under_the_same_conditions_only() {
    let place = Place::new();
    let [longbench, ..] = data(&place);
    let write = |name: &str, content: Value| {
        let path = place.path(name);
        std::fs::write(&path, content.to_string()).unwrap();
        path
    };
    let prompts = write("p.json", json!({"qasper": "Article: {context}\n{input}"}));
    let lengths = write("l.json", json!({"qasper": 3}));
    let out = place.path("run");
    let run = |more: &[&str]| {
        let fixed = ["--policies", "snapkv", "--budgets", "40,40", "--out"];
        let out = place.eval(&[&[text(&longbench)], &fixed[..], &[text(&out)], more].concat());
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        (out.status.code(), said)
    };
    let both = ["--prompts", text(&prompts), "--max-gen", text(&lengths)];
    let resume = |more: &[&str]| run(&[&["--resume"], more].concat());
    assert_eq!(run(&both).0, Some(0));
    assert_eq!(resume(&both).0, Some(0));
    for other in [&[][..], &both[..2], &both[2..]] {
        let (code, said) = resume(other);
        assert_eq!(code, Some(1), "{other:?}");
        assert!(said.contains("other conditions"), "{said}");
    }
    for (path, content) in [
        (&prompts, json!({"qasper": "Read: {context}\n{input}"})),
        (&lengths, json!({"qasper": 4})),
        (
            &longbench,
            json!({"input": "Who?", "context": words(9), "answers": ["x"]}),
        ),
    ] {
        let before = std::fs::read(path).unwrap();
        std::fs::write(path, content.to_string()).unwrap();
        assert_eq!(resume(&both).0, Some(1), "{}", path.display());
        std::fs::write(path, before).unwrap();
        assert_eq!(resume(&both).0, Some(0));
    }
    // A folder of something else is left as it is.
    let mine = place.path("mine");
    std::fs::create_dir(&mine).unwrap();
    std::fs::write(mine.join("table.md"), "mine").unwrap();
    let foreign = place.eval(&[text(&longbench), "--budgets", "40", "--out", text(&mine)]);
    assert_eq!(foreign.status.code(), Some(1));
    assert_eq!(std::fs::read(mine.join("table.md")).unwrap(), b"mine");
}

/// Names of sets come from files: a terminal that shows the table does not obey them.
#[test]
fn a_table_is_harmless_and_a_set_called_all_is_not_the_total() {
    let place = Place::new();
    let row = |set: &str| json!({"context": words(20), "questions": ["b?"], "answers": ["c"], "dataset": set, "max_tokens": 4});
    let path = place.rows("mine.jsonl", &[row("all"), row("x\u{1b}[2J")]);
    let out = place.path("run");
    let run = place.eval(&[text(&path), "--budgets", "40", "--out", text(&out)]);
    let table = std::fs::read_to_string(out.join("table.md")).unwrap();
    assert_eq!(String::from_utf8(run.stdout).unwrap(), table);
    assert!(
        table.contains("| plain/all ") && table.contains("| all "),
        "{table}"
    );
    assert!(
        table.contains("x␛[2J") && !table.contains('\u{1b}'),
        "{table}"
    );
}

#[test]
fn a_wrong_row_is_named_by_file_and_line() {
    let place = Place::new();
    let good = json!({"context": "a", "questions": ["b?"], "answers": ["c"]});
    let wrong = json!({"context": "a", "questions": ["b?"], "answer\u{1b}[2J": ["c"]});
    let path = place.rows("mine.jsonl", &[good.clone(), good, wrong]);
    let out = place.eval(&[text(&path), "--budgets", "40", "--limit", "1"]);
    assert_eq!(out.status.code(), Some(1));
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(
        said.contains("mine.jsonl, line 3: `answers` is missing"),
        "{said}"
    );
    let path = place.rows("odd.jsonl", &[json!({"answer\u{1b}[2J": ["c"]})]);
    let out = place.eval(&[text(&path), "--budgets", "40"]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(
        said.contains("odd.jsonl, line 1: it is none of LongBench") && !said.contains('\u{1b}'),
        "{said}"
    );
    for (args, code) in [
        (&["--budgets", "4"][..], 2),
        (&["--tasks", "mmlu"], 2),
        (&["--tasks", "needle", "--budgets", "8"], 2),
        (&["--tasks", "needle", "--lengths", "1x"], 2),
        (&["--tasks", "needle", "--lengths", "9k"], 2),
        (&["--tasks", "needle", "--mode", "never"], 2),
        (&["--tasks", "needle", "--limit", "0"], 2),
        (&["nothing.jsonl"], 1),
    ] {
        assert_eq!(place.eval(args).status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn made_tasks_are_answered_in_every_mode() {
    let place = Place::new();
    let modes = "with,later,turns,turns-bare";
    let report = place.json(&[
        "--tasks",
        "niah,multiquery",
        "--lengths",
        "1000,2k",
        "--limit",
        "2",
        "--budgets",
        "10%",
        "--policies",
        "ada-snapkv",
        "--mode",
        modes,
    ]);
    let rows = report["rows"].as_array().unwrap();
    // Per mode four sets and all of them, each under four variants.
    assert_eq!(rows.len(), 4 * 5 * 4);
    let needle = |row: &&Value| row["task"] == "needle" && row["policy"] == "full";
    let row = rows.iter().find(needle).unwrap();
    assert_eq!(
        (row["length"].as_u64(), row["n"].as_u64()),
        (Some(1000), Some(2))
    );
}

/// Texts of one's own: how they go on, in files that go on after an end.
#[test]
fn texts_are_followed_and_a_run_of_them_goes_on() {
    let place = Place::new();
    let (book, note) = (place.path("book.txt"), place.path("note.md"));
    std::fs::write(&book, words(120)).unwrap();
    std::fs::write(&note, words(45)).unwrap();
    let out = place.path("run");
    let run = |follow: &str, more: &[&str]| {
        let fixed = [
            "--lengths",
            "300,400",
            "--follow",
            follow,
            "--budgets",
            "30,50%",
            "--limit",
            "2",
        ];
        let texts = [
            "--policies",
            "snapkv,ada-snapkv",
            "--text",
            text(&book),
            text(&note),
        ];
        place.eval(&[&texts, &fixed[..], &["--out", text(&out)], more].concat())
    };
    let whole = run("40", &["--json"]);
    assert!(
        whole.status.success(),
        "{}",
        String::from_utf8_lossy(&whole.stderr)
    );
    let report: Value = serde_json::from_slice(&whole.stdout).unwrap();
    assert_eq!(report["rows"], json!([]));
    let rows = report["texts"].as_array().unwrap();
    // Two texts at two lengths and all of them, each in full and under four policies at two budgets.
    assert_eq!(rows.len(), 5 * 9);
    for row in rows {
        let at = |name: &str| {
            row[name]
                .as_f64()
                .unwrap_or_else(|| panic!("{name} of {row}"))
        };
        let full = row["policy"] == "full";
        assert_eq!(
            row["steps"].as_u64(),
            row["n"].as_u64().map(|n| n * 39),
            "{row}"
        );
        assert!(
            at("low") <= at("kl_mean") && at("kl_mean") <= at("high"),
            "{row}"
        );
        assert!(
            at("kl_median") <= at("kl_p99") && at("perplexity") > 1.0,
            "{row}"
        );
        assert_eq!(at("kl_mean") == 0.0, full, "{row}");
        assert_eq!(
            (at("top1") == 1.0, at("lost") == 0.0),
            (full, full),
            "{row}"
        );
    }
    // Eight against the full cache, six against the first policy at their budget.
    let paired = report["paired_texts"].as_array().unwrap();
    assert_eq!(paired.len(), 14);
    assert!(paired.iter().all(|pair| pair["n"] == 8), "{paired:?}");
    let drawn = std::fs::read_to_string(out.join("kl-text.svg")).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.contains("ada-snapkv"));
    let table = std::fs::read_to_string(out.join("table.md")).unwrap();
    assert!(
        table.starts_with("How texts go on") && table.contains("| note.md-300 "),
        "{table}"
    );
    let path = out.join("answers.jsonl");
    let answers = std::fs::read(&path).unwrap();
    std::fs::write(&path, &answers[..answers.len() / 2]).unwrap();
    let again = run("40", &["--resume"]);
    assert!(
        again.status.success(),
        "{}",
        String::from_utf8_lossy(&again.stderr)
    );
    assert_eq!(String::from_utf8(again.stdout).unwrap(), table);
    // Another text, or other tokens to follow, is another run.
    assert_eq!(run("41", &["--resume"]).status.code(), Some(1));
    std::fs::write(&note, words(46)).unwrap();
    assert_eq!(run("40", &["--resume"]).status.code(), Some(1));
    for (more, code, why) in [
        (&["--lengths", "40"][..], 2, "leaves nothing to read"),
        (&["--lengths", "9k"], 2, "over the model's context"),
        (
            &["--lengths", "2k", "--follow", "1"],
            2,
            "two tokens are the least",
        ),
        (&["--lengths", "2000"], 1, "note.md has"),
    ] {
        let fixed = ["--budgets", "30", "--text", text(&note)];
        let run = place.eval(&[&fixed[..], more].concat());
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(code), "{said}");
        assert!(said.contains(why), "{said}");
    }
}

/// Options are weighed, and a conversation with an archive stands beside one without.
#[test]
fn options_are_weighed_and_modes_stand_beside_each_other() {
    let place = Place::new();
    let row = |i: usize| {
        json!({"context": words(20 + i), "questions": ["Which?", "And?"], "answers": ["B", 0],
            "choices": [[" one", " two"], [" here", " there", " word"]]})
    };
    let path = place.rows("mine.jsonl", &[row(0), row(1)]);
    let out = place.path("run");
    let report = place.json(&[
        text(&path),
        "--mode",
        "turns,turns-bare",
        "--budgets",
        "40",
        "--policies",
        "snapkv",
        "--out",
        text(&out),
    ]);
    let across = report["across_modes"].as_array().unwrap();
    assert_eq!(across.len(), 4);
    for row in across {
        assert_eq!(
            (&row["a"], &row["b"]),
            (&json!("turns"), &json!("turns-bare"))
        );
        assert_eq!(row["n"], 2);
    }
    assert_eq!(across[0]["difference"], 0.0);
    let table = std::fs::read_to_string(out.join("table.md")).unwrap();
    assert!(
        table.contains("The modes turns and turns-bare over the same questions:"),
        "{table}"
    );
    let answers = std::fs::read_to_string(out.join("answers.jsonl")).unwrap();
    for line in answers.lines() {
        let answer: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&answer["metric"], &answer["stop"]),
            (&json!("likelihood"), &json!("choice"))
        );
        let options = answer["options"].as_array().unwrap();
        assert_eq!(
            options.len() as u64,
            2 + answer["question"].as_u64().unwrap()
        );
        assert!(
            options
                .iter()
                .all(|o| o["log_likelihood"].as_f64().unwrap() < 0.0)
        );
    }
}
