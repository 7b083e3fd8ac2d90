//! The stores of other programs, made as their programs make them: their models are found, listed and
//! run from where they lie, and a broken store harms nothing.
#![cfg(unix)]

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cachat::model::gguf::TensorType;
use cachat::testing::{TinySpec, write_tiny_gguf, write_tiny_parts};

/// A home without anything in it.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Home {
        let folder = tempfile::tempdir().unwrap();
        Home { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn model(&self, name: &str, seed: u64) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let spec = TinySpec {
            seed,
            ..TinySpec::llama()
        };
        write_tiny_gguf(&path, &spec).unwrap();
        path
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// As the app starts for its user, with the home alone.
    fn cachat(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_cachat"))
            .env_clear()
            .env("HOME", self.folder.path())
            .env("CACHAT_HOME", self.path("cachat"))
            .env("HF_HUB_OFFLINE", "1")
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn listed(&self) -> serde_json::Value {
        let output = self.cachat(&["models", "--json"]);
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let listed = self.listed();
        let here = listed["here"].as_array().unwrap().iter();
        here.map(|m| m["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The model of that name runs.
    fn runs(&self, name: &str) -> Result<(), String> {
        let tokens = self.file("tokens.json", b"[1, 5, 9, 12]");
        let tokens = tokens.to_str().unwrap();
        let output = self.cachat(&["inspect", "--model", name, "--tokens", tokens]);
        match output.status.success() {
            true => Ok(()),
            false => Err(said(&output)),
        }
    }

    /// Ollama's way to keep a model: the file by its hash, and a manifest that names it.
    fn ollama(&self, name: &str, seed: u64) -> PathBuf {
        let made = self.model("made.gguf", seed);
        let hash = format!("{seed:064x}");
        let blob = self
            .path(".ollama/models/blobs")
            .join(format!("sha256-{hash}"));
        std::fs::create_dir_all(blob.parent().unwrap()).unwrap();
        std::fs::rename(made, &blob).unwrap();
        let size = std::fs::metadata(&blob).unwrap().len();
        self.manifest(name, &format!("sha256:{hash}"), size);
        blob
    }

    fn manifest(&self, name: &str, digest: &str, size: u64) {
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                "digest": format!("sha256:{:064x}", 1), "size": 10},
            "layers": [
                {"mediaType": "application/vnd.ollama.image.template", "digest": "sha256:0", "size": 1},
                {"mediaType": "application/vnd.ollama.image.model", "digest": digest, "size": size},
            ],
        });
        let path = format!(".ollama/models/manifests/{name}");
        self.file(&path, manifest.to_string().as_bytes());
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Files below a folder, with when they were changed.
fn state(folder: &Path) -> Vec<(PathBuf, std::time::SystemTime)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let data = std::fs::symlink_metadata(entry.path()).unwrap();
        match data.is_dir() {
            true => all.extend(state(&entry.path())),
            false => all.push((entry.path(), data.modified().unwrap())),
        }
    }
    all.sort();
    all
}

/// All five stores.
fn everything() -> Home {
    let home = Home::new();
    home.model("cachat/models/mine.gguf", 1);
    let repo = ".cache/huggingface/hub/models--nobody--tiny-GGUF";
    let blob = home.model(&format!("{repo}/blobs/{:064x}", 7), 2);
    home.file(&format!("{repo}/refs/main"), "b".repeat(40).as_bytes());
    for commit in ["a", "b"] {
        let snapshot = home.path(&format!("{repo}/snapshots/{}", commit.repeat(40)));
        std::fs::create_dir_all(&snapshot).unwrap();
        symlink(
            Path::new("../../blobs").join(blob.file_name().unwrap()),
            snapshot.join("tiny-Q4_K_M.gguf"),
        )
        .unwrap();
    }
    home.ollama("registry.ollama.ai/library/qwen3/0.6b", 3);
    home.ollama("registry.ollama.ai/somebody/else/latest", 4);
    home.model(".lmstudio/models/maker/small-GGUF/small-Q8_0.gguf", 5);
    home.model(".lmstudio/models/maker/small-GGUF/mmproj-small.gguf", 5);
    let parts = home.path(".cache/lm-studio/models/maker/large-GGUF");
    std::fs::create_dir_all(&parts).unwrap();
    write_tiny_parts(&parts, &TinySpec::llama(), TensorType::F32, 2).unwrap();
    home.model(".cache/llama.cpp/other_repo-GGUF_other.gguf", 6);
    home
}

const ALL: [&str; 7] = [
    "mine",
    "nobody/tiny-GGUF:tiny-Q4_K_M.gguf",
    "ollama:qwen3:0.6b",
    "ollama:somebody/else:latest",
    "lm-studio:maker/small-GGUF/small-Q8_0",
    "lm-studio:maker/large-GGUF/tiny",
    "llama.cpp:other_repo-GGUF_other",
];

#[test]
fn models_of_all_stores_are_listed_and_run_where_they_lie() {
    let home = everything();
    let before = state(home.folder.path());
    let listed = home.listed();
    assert_eq!(home.names(), ALL, "{listed:#}");
    assert_eq!(listed["notes"], serde_json::json!([]));
    for model in listed["here"].as_array().unwrap() {
        assert_eq!(model["architecture"], "llama", "{model}");
        assert_eq!(model["context"], 2048, "{model}");
        assert_eq!(model["fits"], "fits", "{model}");
        assert!(model["memory_bytes"].as_u64().unwrap() > model["bytes"].as_u64().unwrap());
    }
    let shorts = ["qwen3:0.6b", "small-Q8_0", "other_repo-GGUF_other", "tiny"];
    // A Hub file that another program has is not fetched again.
    let others = [
        "maker/small-GGUF:small-Q8_0.gguf",
        "other/repo-GGUF:other.gguf",
        "nobody/tiny-GGUF",
    ];
    for name in ALL.iter().chain(&shorts).chain(&others) {
        assert_eq!(home.runs(name), Ok(()), "{name}");
    }
    let after: Vec<_> = state(home.folder.path());
    let kept = before.iter().all(|file| after.contains(file));
    assert!(kept, "nothing is moved, changed or deleted");
    let output = home.cachat(&["models"]);
    let table = String::from_utf8(output.stdout).unwrap();
    for part in ALL
        .iter()
        .chain(&["ollama", "lm-studio", "llama.cpp", "huggingface", "fits"])
    {
        assert!(table.contains(part), "{part}:\n{table}");
    }
}

#[test]
fn a_short_name_of_two_models_is_none() {
    let home = everything();
    home.model(".cache/llama.cpp/small-Q8_0.gguf", 9);
    let why = home.runs("small-Q8_0").unwrap_err();
    assert!(
        why.contains("lm-studio:maker/small-GGUF/small-Q8_0, llama.cpp:small-Q8_0"),
        "{why}"
    );
    assert_eq!(home.runs("llama.cpp:small-Q8_0"), Ok(()));
    let why = home.runs("ollama:qwen3:0.7b").unwrap_err();
    assert!(why.contains("did you mean `ollama:qwen3:0.6b`?"), "{why}");
}

#[test]
fn a_broken_store_harms_nothing() {
    let home = everything();
    let library = "registry.ollama.ai/library";
    let secret = home.file("secret", b"GGUF of somebody");
    for digest in [
        "sha256:../../../../secret",
        secret.to_str().unwrap(),
        "sha256:",
        "",
    ] {
        home.manifest(&format!("{library}/evil/{}", digest.len()), digest, 16);
    }
    // No JSON, no text, too long, of another kind; weights that are not there, or not all.
    let manifests = ".ollama/models/manifests";
    home.file(&format!("{manifests}/{library}/bad/json"), b"{");
    home.file(&format!("{manifests}/{library}/bad/bytes"), &[0xff; 64]);
    home.file(
        &format!("{manifests}/{library}/bad/long"),
        &vec![b' '; 2 << 20],
    );
    home.file(
        &format!("{manifests}/{library}/bad/kind"),
        br#"{"layers": []}"#,
    );
    home.file(&format!("{manifests}/stray"), b"");
    home.manifest(
        &format!("{library}/gone/latest"),
        &format!("sha256:{:064x}", 99),
        5,
    );
    let half = home.ollama(&format!("{library}/half/latest"), 50);
    let bytes = std::fs::read(&half).unwrap();
    std::fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
    // Links to nowhere and in a circle, pipes, folders that are called as models.
    let snapshot = home.path(".cache/huggingface/hub/models--a--b/snapshots/x");
    std::fs::create_dir_all(snapshot.join("folder.gguf")).unwrap();
    symlink("nowhere", snapshot.join("lost.gguf")).unwrap();
    symlink(&snapshot, snapshot.join("again")).unwrap();
    let pipe = snapshot.join("pipe.gguf");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    home.file(".lmstudio/models/a/b/part-00001-of-00002.gguf", b"GGUF");
    home.file(".cache/llama.cpp/empty.gguf", b"");
    home.file(".cache/llama.cpp/esc\u{1b}[2J.gguf", b"GGUF");

    let names = home.names();
    for name in ALL {
        assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
    }
    for none in [
        "evil", "bad", "gone", "half", "lost", "pipe", "part", "\u{1b}",
    ] {
        assert!(!names.iter().any(|n| n.contains(none)), "{none}: {names:?}");
    }
    let listed = home.listed();
    let notes = listed["notes"].as_array().unwrap();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].as_str().unwrap().starts_with("ollama: "),
        "{notes:?}"
    );
    // One that cannot be run says so, and is listed.
    let here = listed["here"].as_array().unwrap();
    let empty = here
        .iter()
        .find(|m| m["name"] == "llama.cpp:empty")
        .unwrap();
    assert!(
        empty["trouble"].is_string() && empty["fits"] == "unknown",
        "{empty}"
    );
    assert_eq!(home.runs("qwen3:0.6b"), Ok(()));
}
