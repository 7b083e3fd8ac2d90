//! The places where programs on this machine keep models, a file each. They are read, and nothing in
//! them is moved, changed or deleted; one that is broken says so in a note and harms nothing.

pub mod hugging_face;
mod llama_cpp;
mod lm_studio;
mod ollama;
mod own;
mod shelf;

use std::path::PathBuf;

pub use shelf::{Found, Origin, Shelf};

use self::shelf::set;
use crate::dirs::Dirs;

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
            self.list_of(origin, &mut shelf);
        }
        shelf
    }

    fn list_of(&self, origin: Origin, shelf: &mut Shelf) {
        match origin {
            Origin::Own => own::list(&self.own, shelf),
            Origin::HuggingFace => hugging_face::list(self.hub.as_deref(), shelf),
            Origin::Ollama => ollama::list(&self.ollama, shelf),
            Origin::LmStudio => lm_studio::list(&self.lm_studio, shelf),
            Origin::LlamaCpp => llama_cpp::list(&self.llama_cpp, shelf),
        }
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
