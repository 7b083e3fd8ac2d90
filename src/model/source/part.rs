//! The file that a download grows in: ours alone, in a folder of ours, never through a link.

use std::fs::{self, File, Metadata, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::miss::Miss;
use crate::disk::Out;

#[derive(Debug)]
pub struct Part {
    pub path: PathBuf,
    pub file: Out,
    /// Bytes that are there.
    pub bytes: u64,
}

impl Part {
    /// The part called `name`; what an earlier download left of it is kept with `resume`.
    pub fn open(folder: &Path, name: &str, resume: bool) -> Result<Part, Miss> {
        let path = folder.join(name);
        let failed = |error| Miss::Unwritable(path.clone(), error);
        let kept = match fs::symlink_metadata(&path) {
            Ok(data) if resume && is_ours(&data) => Some(data),
            Ok(data) if data.is_dir() => {
                fs::remove_dir_all(&path).map_err(failed)?;
                None
            }
            Ok(_) => {
                fs::remove_file(&path).map_err(failed)?;
                None
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let file = File::options()
            .append(true)
            // A new one is none that somebody else has put there.
            .create_new(kept.is_none())
            .open(&path)
            .map_err(failed)?;
        let data = file.metadata().map_err(failed)?;
        if kept.is_some_and(|kept| !is_same(&kept, &data)) {
            let text = "it was exchanged while it was opened";
            return Err(failed(io::Error::other(text)));
        }
        // A download that was given up ends a little later.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Miss::said(
                "another download of the same file has not ended yet: try again in a minute",
            ));
        }
        let (file, bytes) = (Out::new(file), data.len());
        Ok(Part { path, file, bytes })
    }

    /// Throws away what is there.
    pub fn empty(&mut self) -> Result<(), Miss> {
        self.bytes = 0;
        let emptied = self.file.file().set_len(0);
        emptied.map_err(|error| Miss::Unwritable(self.path.clone(), error))
    }
}

/// A plain file under one name only: no link, neither kind of it.
fn is_ours(data: &Metadata) -> bool {
    #[cfg(unix)]
    let alone = std::os::unix::fs::MetadataExt::nlink(data) == 1;
    #[cfg(not(unix))]
    let alone = true;
    data.is_file() && alone
}

#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    a.len() == b.len()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn nothing_is_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        fs::write(&precious, "mine").unwrap();
        for hard in [false, true] {
            let planted = folder.path().join("a.part");
            match hard {
                true => fs::hard_link(&precious, &planted).unwrap(),
                false => std::os::unix::fs::symlink(&precious, &planted).unwrap(),
            }
            let mut part = Part::open(folder.path(), "a.part", true).unwrap();
            assert_eq!(part.bytes, 0);
            part.file.write_all(b"theirs").unwrap();
            assert_eq!(fs::read(&precious).unwrap(), b"mine");
            fs::remove_file(&planted).unwrap();
        }
    }

    #[test]
    fn goes_on_where_it_was_and_only_once_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = Part::open(folder.path(), "a.part", true).unwrap();
        part.file.write_all(b"half").unwrap();
        assert!(matches!(
            Part::open(folder.path(), "a.part", true),
            Err(Miss::Elsewhere(_))
        ));
        drop(part);
        assert_eq!(Part::open(folder.path(), "a.part", true).unwrap().bytes, 4);
        assert_eq!(Part::open(folder.path(), "a.part", false).unwrap().bytes, 0);
    }
}
