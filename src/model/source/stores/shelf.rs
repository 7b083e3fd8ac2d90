//! What was found on this machine, and by whom it is kept.

use std::path::{Path, PathBuf};

use crate::model::source::{files, miss};

/// So many models are listed of one store.
const MOST: usize = 1000;

/// Who keeps a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    Own,
    HuggingFace,
    Ollama,
    LmStudio,
    LlamaCpp,
}

impl Origin {
    pub const ALL: [Origin; 5] = [
        Origin::Own,
        Origin::HuggingFace,
        Origin::Ollama,
        Origin::LmStudio,
        Origin::LlamaCpp,
    ];

    /// As it is written: in lists, and before the colon of a model's name.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Own => "cachat",
            Origin::HuggingFace => "huggingface",
            Origin::Ollama => "ollama",
            Origin::LmStudio => "lm-studio",
            Origin::LlamaCpp => "llama.cpp",
        }
    }

    /// What stands before the first colon of a name, where it is one of these.
    pub fn of_name(name: &str) -> Option<Origin> {
        let (before, _) = name.split_once(':')?;
        Origin::ALL.into_iter().find(|o| o.name() == before)
    }
}

/// A model on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub origin: Origin,
    /// What `--model` takes: no two are called the same.
    pub name: String,
    /// What it takes as well, where no other is called so.
    pub short: String,
    /// Of one in parts, the first.
    pub path: PathBuf,
    pub bytes: u64,
}

/// What was found, and what is wrong with a store.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    pub found: Vec<Found>,
    pub notes: Vec<String>,
}

impl Shelf {
    /// A model at `path`, called `name`; one that is there already, or not whole, is left out.
    pub(super) fn add(&mut self, origin: Origin, name: String, path: PathBuf) {
        let short = files::named(path.clone()).name;
        self.put(origin, name, short, path);
    }

    pub(super) fn put(&mut self, origin: Origin, name: String, short: String, path: PathBuf) {
        let listed = self.found.iter().filter(|f| f.origin == origin).count();
        let known = self.found.iter().any(|f| f.path == path || f.name == name);
        if known || listed >= MOST || !files::is_whole(&path) {
            return;
        }
        let bytes = files::size(&path);
        self.found.push(Found {
            origin,
            name,
            short,
            path,
            bytes,
        });
    }

    /// One note per store: which, and what is wrong.
    pub(super) fn note(&mut self, origin: Origin, what: String) {
        let start = format!("{}: ", origin.name());
        if !self.notes.iter().any(|note| note.starts_with(&start)) {
            self.notes.push(miss::line(&(start + &what)));
        }
    }
}

/// A variable with a path.
pub(super) fn set(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}

/// A path's own name, where it is text that a terminal and a command line can take.
pub(super) fn plain_name(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    (!name.chars().any(char::is_control)).then_some(name)
}

/// A file that is not listed: it goes with a model and is none, or its name cannot be shown.
pub(super) fn is_beside(path: &Path) -> bool {
    plain_name(path).is_none() || files::is_projector(path)
}
