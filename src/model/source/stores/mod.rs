//! The places where programs on this machine keep models, a file each. They are read, and nothing in
//! them is moved, changed or deleted; one that is broken says so in a note and harms nothing.

pub mod hugging_face;
mod llama_cpp;
mod lm_studio;
mod ollama;
mod own;

use std::path::{Path, PathBuf};

use super::files;
use crate::dirs::Dirs;

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

    fn list(self, places: &Places, shelf: &mut Shelf) {
        match self {
            Origin::Own => own::list(&places.own, shelf),
            Origin::HuggingFace => hugging_face::list(places.hub.as_deref(), shelf),
            Origin::Ollama => ollama::list(&places.ollama, shelf),
            Origin::LmStudio => lm_studio::list(&places.lm_studio, shelf),
            Origin::LlamaCpp => llama_cpp::list(&places.llama_cpp, shelf),
        }
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
    fn add(&mut self, origin: Origin, name: String, path: PathBuf) {
        let short = files::named(path.clone()).name;
        self.put(origin, name, short, path);
    }

    fn put(&mut self, origin: Origin, name: String, short: String, path: PathBuf) {
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
    fn note(&mut self, origin: Origin, what: String) {
        let start = format!("{}: ", origin.name());
        if !self.notes.iter().any(|note| note.starts_with(&start)) {
            self.notes.push(super::miss::line(&(start + &what)));
        }
    }
}

/// Where the stores are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    pub own: PathBuf,
    pub hub: Option<PathBuf>,
    pub ollama: Vec<PathBuf>,
    pub lm_studio: Vec<PathBuf>,
    pub llama_cpp: Vec<PathBuf>,
}

impl Places {
    /// Where their own programs would look for them.
    pub fn of(dirs: &Dirs) -> Places {
        let base = directories::BaseDirs::new();
        let home = |path: &str| base.as_ref().map(|base| base.home_dir().join(path));
        Places {
            own: dirs.models.clone(),
            hub: hugging_face::cache(),
            ollama: match set("OLLAMA_MODELS") {
                Some(path) => vec![path],
                // The second is where it is kept by the system's own service.
                None => home(".ollama/models")
                    .into_iter()
                    .chain(Some("/usr/share/ollama/.ollama/models".into()))
                    .collect(),
            },
            lm_studio: [".lmstudio/models", ".cache/lm-studio/models"]
                .into_iter()
                .filter_map(home)
                .collect(),
            llama_cpp: match set("LLAMA_CACHE") {
                Some(path) => vec![path],
                None => base
                    .as_ref()
                    .map(|base| base.cache_dir().join("llama.cpp"))
                    .into_iter()
                    .collect(),
            },
        }
    }

    /// Everything there is, store by store.
    pub fn list(&self) -> Shelf {
        let mut shelf = Shelf::default();
        for origin in Origin::ALL {
            origin.list(self, &mut shelf);
        }
        shelf
    }

    /// A Hub file that another program has fetched.
    pub fn hub_file(&self, repo: &str, file: &str) -> Option<PathBuf> {
        let cached = self.hub.as_deref();
        cached
            .and_then(|cache| hugging_face::file(cache, repo, file))
            .or_else(|| lm_studio::file(&self.lm_studio, repo, file))
            .or_else(|| llama_cpp::file(&self.llama_cpp, repo, file))
    }
}

/// A variable with a path.
fn set(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}

/// A path's own name, where it is text that a terminal and a command line can take.
fn plain_name(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    (!name.chars().any(char::is_control)).then_some(name)
}

/// A file that goes with a model and is none: what makes tokens of pictures.
fn is_beside(path: &Path) -> bool {
    plain_name(path).is_none_or(|name| name.to_ascii_lowercase().contains("mmproj"))
}

#[cfg(test)]
mod tests;
