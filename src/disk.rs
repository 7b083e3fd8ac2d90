//! FILES as the rest of the program opens and writes them: plain files only, and through one place
//! in which tests can let the disk fail (`fault.rs`).

mod fault;

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

pub use fault::{Fault, Faults};

/// A file that is written.
#[derive(Debug)]
pub struct Out(File);

impl Out {
    pub fn new(file: File) -> Out {
        Out(file)
    }

    pub fn file(&self) -> &File {
        &self.0
    }

    /// Asks the system to have everything on the disk.
    ///
    /// # Errors
    /// What the system says; then nothing is known of what was written.
    pub fn sync(&self) -> io::Result<()> {
        fault::sync()?;
        self.0.sync_data().or_else(|error| match error.kind() {
            // Some disks that are mounted from elsewhere do not know of it: nothing can be waited for.
            io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput => Ok(()),
            _ => Err(error),
        })
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = fault::write(bytes.len())?;
        self.0.write(&bytes[..most])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Seek for Out {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// Bytes that can be written into a folder, where the system tells.
pub fn free(folder: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let found = rustix::fs::statvfs(folder).ok()?;
        found.f_bavail.checked_mul(found.f_frsize)
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        None
    }
}

/// Opens a plain file: nothing that has to be waited for, no device, nothing behind a link.
///
/// # Errors
/// What the system says; `InvalidInput` for what is no plain file.
pub fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Without the first, a pipe that nobody writes to would be waited for.
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
    }
    #[cfg(not(unix))]
    if std::fs::symlink_metadata(path)?.is_symlink() {
        return Err(not_plain());
    }
    let file = options.open(path).map_err(|error| match is_link(&error) {
        true => not_plain(),
        false => error,
    })?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(not_plain()),
    }
}

fn is_link(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(libc::ELOOP);
    #[cfg(not(unix))]
    return false;
}

fn not_plain() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is not a plain file")
}

/// Makes a new file, to be written.
///
/// # Errors
/// What the system says, `AlreadyExists` among it.
pub fn create_new(path: &Path, options: &mut OpenOptions) -> io::Result<Out> {
    fault::open()?;
    options.create_new(true).open(path).map(Out)
}

/// Writes a new file with `content`; where that fails there is none, so that it can be tried again.
///
/// # Errors
/// What the system says, `AlreadyExists` among it.
pub fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut out = create_new(path, OpenOptions::new().write(true))?;
    let written = out.write_all(content).and_then(|()| out.sync());
    drop(out);
    if written.is_err() {
        // Made a moment ago, by us.
        let _ = std::fs::remove_file(path);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_whole_is_not_there_and_can_be_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        for fault in [Fault::Full, Fault::Io, Fault::ReadOnly] {
            for at in [0, 1, 3, 9] {
                let faults = Faults::from(fault, at);
                let error = write_new(&path, b"0123456789").unwrap_err();
                assert_eq!(error.raw_os_error(), Some(fault.number()));
                assert!(!path.exists(), "{fault:?} at {at}");
                drop(faults);
                write_new(&path, b"0123456789").unwrap();
                assert_eq!(std::fs::read(&path).unwrap(), b"0123456789");
                let again = write_new(&path, b"").unwrap_err();
                assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
                std::fs::remove_file(&path).unwrap();
            }
        }
        for fault in [Fault::Interrupted, Fault::Short] {
            let _faults = Faults::from(fault, 4);
            write_new(&path, b"0123456789").unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"0123456789");
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_plain_files_are_opened_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("plain"), "a").unwrap();
        std::os::unix::fs::symlink(path("plain"), path("link")).unwrap();
        std::os::unix::fs::symlink(path("loop"), path("loop")).unwrap();
        nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let open = |path: &Path| open(path, OpenOptions::new().read(true));
        assert!(open(&path("plain")).is_ok());
        for odd in ["link", "loop", "fifo"] {
            assert!(open(&path(odd)).is_err(), "{odd}");
        }
        assert!(open(Path::new("/dev/zero")).is_err());
        assert!(open(folder.path()).is_err());
    }
}
