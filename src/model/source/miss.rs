//! Why a place did not have a file.

use std::path::PathBuf;

/// Why one place did not have the file.
#[derive(Debug)]
pub enum Miss {
    /// This place cannot be reached or has no such file; another may.
    Elsewhere(String),
    /// It came, and is not what it should be.
    Corrupt(String),
    /// Nothing can be written here, whatever the place.
    Unwritable(PathBuf, std::io::Error),
}

/// Errors that mean this machine cannot write, told from those of the network.
pub fn is_disk(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(
        error.kind(),
        StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied
    )
}
