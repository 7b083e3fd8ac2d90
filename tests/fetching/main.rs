//! Fetching a model through the program, against those who would misuse it: a hostile folder, a
//! hostile Hub. Nothing here leaves this machine.
#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;
mod hub;
mod package;
mod server;
mod split;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TOKEN: &str = "hf_secretOfTheUser";

/// A home for the program, and a folder to start it in.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "hub", "here"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Place { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of a repository's files in the Hub's cache, of the commit that an honest server
    /// names.
    fn snapshot(&self, repo: &str) -> PathBuf {
        let repo = format!("hub/hub/models--{}", repo.replace('/', "--"));
        self.path(&repo).join("snapshots").join("c".repeat(40))
    }

    /// `cachat models --fetch MODEL`, in the folder `here`.
    fn fetch(&self, model: &str) -> Command {
        let mut cachat = common::program::cachat();
        cachat
            .env("CACHAT_HOME", self.path("home"))
            .env("HF_HOME", self.path("hub"))
            .env("HF_TOKEN", TOKEN)
            .current_dir(self.path("here"))
            .args(["models", "--fetch", model]);
        cachat
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// All files and links below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => all.extend(files(&entry.path())),
            false => all.push(entry.path()),
        }
    }
    all.sort();
    all
}
