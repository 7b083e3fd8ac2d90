//! Defaults ← `config.toml` ← environment ← flags, as one [`Settings`] value.

mod error;
pub mod file;
pub mod partial;
mod settings;
pub mod values;

use std::path::Path;

pub use crate::engine::event::PartialSampling;
pub use error::ConfigError;
pub use partial::{ConfigFile, Partial};
pub use settings::Settings;
pub use values::{DeviceChoice, KvDtype};

/// `config.toml` with every setting commented out; `#= ` marks a setting at its default.
pub const TEMPLATE: &str = include_str!("template.toml");

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
    crate::disk::write_new(path, TEMPLATE.as_bytes()).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => ConfigError::Exists(path.to_path_buf()),
        _ => unwritable(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Budget;

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
        assert_eq!(settings.sampling.seed, Some(3));
        assert_eq!(settings.window, 32);
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
