//! Defaults ← `config.toml` ← environment ← flags, as one [`Settings`] value.

pub mod file;
pub mod partial;
pub mod values;

use std::io::Write;
use std::path::{Path, PathBuf};

pub use partial::{ConfigFile, Partial, PartialSampling};
pub use values::{DeviceChoice, KvDtype};

use crate::engine::event::Sampling;
use crate::model::source::ModelSpec;
use crate::policy::Preset;
use crate::policy::budget::{Budget, smallest};

/// `config.toml` with every setting commented out; `#= ` marks a setting at its default.
pub const TEMPLATE: &str = include_str!("template.toml");

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub model: ModelSpec,
    pub device: DeviceChoice,
    /// `None` = one per physical core.
    pub threads: Option<usize>,
    pub kv_dtype: KvDtype,
    /// Weights dequantised to f32 and an f32 cache.
    pub exact: bool,
    pub policy: Preset,
    pub budget: Budget,
    /// Observation window `w`, tokens.
    pub window: usize,
    /// Pooling kernel `k`, odd.
    pub kernel: usize,
    /// Safeguard `α`, 0–1.
    pub alpha: f64,
    /// Entries per head a layer may exceed its budget by while decoding.
    pub slack: usize,
    /// System prompt; `None` = the model's own.
    pub system: Option<String>,
    pub sampling: Sampling,
    /// Theme by name; `None` = chosen from the terminal's background.
    pub theme: Option<String>,
    pub mouse: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            model: ModelSpec::default(),
            device: DeviceChoice::Auto,
            threads: None,
            kv_dtype: KvDtype::Auto,
            exact: false,
            policy: Preset::default(),
            budget: Budget::default(),
            window: 32,
            kernel: 7,
            alpha: 0.2,
            slack: 128,
            system: None,
            sampling: Sampling::default(),
            theme: None,
            mouse: true,
        }
    }
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the settings file {}: {source}", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}:{line}: {message}", path.display())]
    Invalid {
        path: PathBuf,
        line: usize,
        message: String,
    },
    /// A value out of range, wherever it was said: wrong usage.
    #[error("{0}")]
    Range(String),
    #[error("{} exists already; it was left as it is", .0.display())]
    Exists(PathBuf),
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl Settings {
    /// Lays the file and then `said` (environment and flags) over the defaults, and checks the
    /// result.
    pub fn load(file: &ConfigFile, said: Partial) -> Result<Self, ConfigError> {
        let mut settings = Settings::default();
        file::read(file)?.apply(&mut settings);
        said.apply(&mut settings);
        settings.check()?;
        Ok(settings)
    }

    /// Whether every value is in its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let fail = |message: String| Err(ConfigError::Range(message));
        if self.window == 0 {
            return fail("--window must be at least 1".into());
        }
        if let Budget::Tokens(budget) = self.budget
            && budget <= self.window
            && self.policy != Preset::FULL
        {
            return fail(format!(
                "--budget {budget} leaves nothing beside the observation window of {} tokens, which \
                 is always kept; the smallest legal budget is {}",
                self.window,
                smallest(self.window)
            ));
        }
        if self.kernel.is_multiple_of(2) {
            return fail(format!(
                "--kernel {} must be odd, so that pooling is centred (the default is 7)",
                self.kernel
            ));
        }
        if !(0.0..=1.0).contains(&self.alpha) {
            return fail(format!("--alpha {} must be between 0 and 1", self.alpha));
        }
        let sampling = &self.sampling;
        if !(sampling.temperature >= 0.0 && sampling.temperature.is_finite()) {
            return fail(format!(
                "--temperature {} must be 0 (greedy) or more",
                sampling.temperature
            ));
        }
        if !(sampling.top_p > 0.0 && sampling.top_p <= 1.0) {
            return fail(format!(
                "--top-p {} must be over 0 and at most 1",
                sampling.top_p
            ));
        }
        if !(0.0..=1.0).contains(&sampling.min_p) {
            return fail(format!(
                "--min-p {} must be between 0 and 1",
                sampling.min_p
            ));
        }
        if !(sampling.repeat_penalty > 0.0 && sampling.repeat_penalty.is_finite()) {
            return fail(format!(
                "--repeat-penalty {} must be over 0 (1 is off)",
                sampling.repeat_penalty
            ));
        }
        if sampling.max_tokens == 0 {
            return fail("--max-tokens must be at least 1".into());
        }
        Ok(())
    }
}

/// Writes the commented settings file, never over an existing one.
pub fn init(path: &Path) -> Result<(), ConfigError> {
    let unwritable = |source| ConfigError::Unwritable {
        path: path.to_path_buf(),
        source,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(unwritable)?;
    }
    let mut file = match std::fs::File::create_new(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(ConfigError::Exists(path.to_path_buf()));
        }
        Err(error) => return Err(unwritable(error)),
    };
    file.write_all(TEMPLATE.as_bytes()).map_err(unwritable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "budget = 512\nslack = 7\n[sampling]\nseed = 3\n").unwrap();
        let said = Partial {
            budget: Some(Budget::Tokens(256)),
            ..Partial::default()
        };
        let settings = Settings::load(&ConfigFile::Named(path), said).unwrap();
        assert_eq!(settings.budget, Budget::Tokens(256));
        assert_eq!(settings.slack, 7);
        assert_eq!(settings.sampling.seed, 3);
        assert_eq!(settings.window, 32);
    }

    #[test]
    fn a_budget_within_the_window_names_the_smallest_legal_one() {
        let mut settings = Settings {
            budget: Budget::Tokens(32),
            ..Settings::default()
        };
        let message = settings.check().unwrap_err().to_string();
        assert!(message.contains("smallest legal budget is 33"), "{message}");
        settings.budget = Budget::Tokens(33);
        settings.check().unwrap();
    }

    #[test]
    fn init_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/config.toml");
        init(&path).unwrap();
        std::fs::write(&path, "budget = 99\n").unwrap();
        assert!(matches!(init(&path), Err(ConfigError::Exists(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "budget = 99\n");
    }
}
