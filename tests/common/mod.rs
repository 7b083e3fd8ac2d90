//! The default model, for tests that a small generated one cannot serve.

use std::path::PathBuf;
use std::sync::OnceLock;

use cachat::dirs::Dirs;
use cachat::model::source::{ModelSpec, resolve};

/// Path of the default model's file: `CACHAT_TEST_MODEL`, or where the app keeps it, fetched if it
/// has to be. `None`, with a word on why, where it cannot be had: those tests are skipped.
pub fn real_model() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        if let Some(path) = std::env::var_os("CACHAT_TEST_MODEL") {
            return Some(PathBuf::from(path));
        }
        match resolve(&ModelSpec::default(), &Dirs::from_env(), &mut |_| {}) {
            Ok(found) => Some(found.path),
            Err(error) => {
                eprintln!("SKIPPED, the default model cannot be had: {error}");
                None
            }
        }
    };
    FOUND.get_or_init(find).clone()
}
