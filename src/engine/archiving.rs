//! Where a model's conversations are archived.

use std::path::PathBuf;
use std::sync::Arc;

use crate::archive::{Archive, Mode};
use crate::model::Network;

/// As it was set.
#[derive(Clone, Debug, PartialEq)]
pub struct Archiving {
    pub mode: Mode,
    /// The folder of all archives.
    pub root: PathBuf,
    /// Most bytes of all of them together.
    pub limit: u64,
}

impl Archiving {
    /// The archive of `network`; none where it is off.
    ///
    /// # Errors
    /// When the system gives no thread to write it.
    pub fn open(&self, network: &dyn Network) -> Result<Option<Arc<Archive>>, String> {
        let archive = match self.mode {
            Mode::Off => return Ok(None),
            Mode::Memory => Archive::in_memory(network.identity(), self.limit),
            Mode::Disk => Archive::on_disk(&self.root, network.identity(), self.limit)
                .map_err(|e| format!("nothing is archived: {e}"))?,
        };
        Ok(Some(Arc::new(archive)))
    }
}
