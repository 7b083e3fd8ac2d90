//! A home of its own for the program: a tiny model, and a document to ask about.

use std::path::{Path, PathBuf};
use std::process::Command;

use cachat::testing::{TinySpec, write_tiny_gguf};

use super::program;

pub struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    /// `tiny.gguf` and `text.txt`.
    pub fn new() -> Home {
        let folder = tempfile::tempdir().unwrap();
        let spec = TinySpec {
            context: 4096,
            ..TinySpec::llama()
        };
        write_tiny_gguf(folder.path().join("tiny.gguf"), &spec).unwrap();
        let document: String = (0..40).map(|i| format!("line {i} of the text\n")).collect();
        std::fs::write(folder.path().join("text.txt"), document).unwrap();
        Home { folder }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program at home, in its folder.
    pub fn cachat(&self, arguments: &[&str]) -> Command {
        let mut cachat = program::cachat();
        cachat
            .env("CACHAT_HOME", self.folder.path())
            .env("HF_HOME", self.path("hub"))
            .current_dir(self.folder.path())
            .args(arguments);
        cachat
    }
}
