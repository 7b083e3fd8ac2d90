//! Conversations are nobody else's: files that only their owner can read, in a folder likewise.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

/// Makes `folder` (and what is above it); nobody else can enter it.
#[cfg(unix)]
pub fn folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(above) = folder.parent() {
        std::fs::create_dir_all(above)?;
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(FOLDER).create(folder)
}

#[cfg(not(unix))]
pub fn folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// How a file is made that nobody else can read.
#[cfg(unix)]
pub fn options() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.mode(FILE);
    options
}

#[cfg(not(unix))]
pub fn options() -> OpenOptions {
    OpenOptions::new()
}

/// Takes from others what an earlier version let them read: the files in `folder` that end in
/// `ending`, then the folder, so that a folder that is closed needs no second look. What cannot be
/// mended (it is somebody else's) stays as it is.
#[cfg(unix)]
pub fn mend(folder: &Path, ending: &str) {
    use std::fs::{Permissions, set_permissions, symlink_metadata};
    use std::os::unix::fs::PermissionsExt;

    const OTHERS: u32 = 0o077;
    let open = |mode: u32| mode & OTHERS != 0;
    match symlink_metadata(folder) {
        Ok(data) if data.is_dir() && open(data.permissions().mode()) => {}
        _ => return,
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|found| found != ending) {
            continue;
        }
        // Of the entry itself: nothing is changed through a link.
        if let Ok(data) = entry.metadata()
            && data.is_file()
            && open(data.permissions().mode())
        {
            let _ = set_permissions(&path, Permissions::from_mode(FILE));
        }
    }
    let _ = set_permissions(folder, Permissions::from_mode(FOLDER));
}

#[cfg(not(unix))]
pub fn mend(_folder: &Path, _ending: &str) {}

#[cfg(unix)]
const FOLDER: u32 = 0o700;
#[cfg(unix)]
const FILE: u32 = 0o600;
