//! Where things live on this machine. `CACHAT_HOME` overrides all of it.

use std::path::{Path, PathBuf};

/// The app's folders. None of them needs to exist; who writes creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    /// Holds `config.toml`.
    pub config: PathBuf,
    /// The user's own themes.
    pub themes: PathBuf,
    /// GGUF files.
    pub models: PathBuf,
    /// Saved conversations.
    pub sessions: PathBuf,
    /// Keys and values of conversations; can be made again.
    pub archive: PathBuf,
    /// Logs and crash reports.
    pub logs: PathBuf,
    /// What is remembered between runs; can be made again.
    pub state: PathBuf,
}

impl Dirs {
    /// All folders under one.
    pub fn under(home: &Path) -> Self {
        Dirs {
            config: home.to_path_buf(),
            themes: home.join("themes"),
            models: home.join("models"),
            sessions: home.join("sessions"),
            archive: home.join("archive"),
            logs: home.join("logs"),
            state: home.join("state"),
        }
    }

    /// From `CACHAT_HOME`, or else the system's conventions; without a home directory, a folder
    /// in the temporary directory.
    pub fn from_env() -> Self {
        if let Some(home) = std::env::var_os("CACHAT_HOME").filter(|home| !home.is_empty()) {
            return Dirs::under(Path::new(&home));
        }
        match directories::ProjectDirs::from("", "", "cachat") {
            Some(project) => Dirs {
                config: project.config_dir().to_path_buf(),
                themes: project.config_dir().join("themes"),
                models: project.data_dir().join("models"),
                sessions: project.data_dir().join("sessions"),
                archive: project.cache_dir().join("archive"),
                logs: project.data_local_dir().join("logs"),
                state: match project.state_dir() {
                    Some(folder) => folder.to_path_buf(),
                    None => project.data_local_dir().join("state"),
                },
            },
            None => Dirs::under(&std::env::temp_dir().join("cachat")),
        }
    }

    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }
}
