//! A disk that fails where a test says.
//!
//! In a test, [`Faults`] holds for its thread. A whole program is told by the file that
//! `CACHAT_TEST_DISK` names, as long as it says `full`, `io`, `readonly` or `sync`; builds for use
//! do not look at it.

use std::cell::Cell;
use std::io;

/// How a disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No space is left.
    Full,
    /// The medium does not take it.
    Io,
    /// A signal comes in between, once.
    Interrupted,
    /// Mounted for reading: nothing can even be opened.
    ReadOnly,
    /// Everything is written, and then it cannot be had on the disk.
    Sync,
}

impl Fault {
    /// As the system numbers it.
    pub fn number(self) -> i32 {
        #[cfg(unix)]
        return match self {
            Fault::Full => libc::ENOSPC,
            Fault::Io | Fault::Sync => libc::EIO,
            Fault::Interrupted => libc::EINTR,
            Fault::ReadOnly => libc::EROFS,
        };
        #[cfg(not(unix))]
        return 0;
    }

    fn error(self) -> io::Error {
        io::Error::from_raw_os_error(self.number())
    }
}

thread_local! {
    static FAULTS: Cell<Option<(Fault, usize)>> = const { Cell::new(None) };
}

/// The disk fails on this thread until this is dropped.
#[derive(Debug)]
pub struct Faults(());

impl Faults {
    /// From the byte `at` on, counted over all files.
    pub fn from(fault: Fault, at: usize) -> Faults {
        FAULTS.set(Some((fault, at)));
        Faults(())
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        FAULTS.set(None);
    }
}

fn current() -> Option<(Fault, usize)> {
    cfg!(debug_assertions)
        .then(|| FAULTS.get().or_else(told))
        .flatten()
}

/// What the program as a whole is told.
fn told() -> Option<(Fault, usize)> {
    let said = std::fs::read_to_string(std::env::var_os("CACHAT_TEST_DISK")?).ok()?;
    let fault = match said.trim() {
        "full" => Fault::Full,
        "io" => Fault::Io,
        "readonly" => Fault::ReadOnly,
        "sync" => Fault::Sync,
        _ => return None,
    };
    Some((fault, 0))
}

/// Before a file is opened to be written.
pub(super) fn open() -> io::Result<()> {
    match current() {
        Some((Fault::ReadOnly, _)) => Err(Fault::ReadOnly.error()),
        _ => Ok(()),
    }
}

/// How many of so many bytes are written.
pub(super) fn write(bytes: usize) -> io::Result<usize> {
    let Some((fault, left)) = current() else {
        return Ok(bytes);
    };
    let most = match fault {
        Fault::Sync => return Ok(bytes),
        Fault::ReadOnly => 0,
        _ => bytes.min(left),
    };
    if most == 0 && bytes > 0 {
        if fault == Fault::Interrupted {
            FAULTS.set(None);
        }
        return Err(fault.error());
    }
    if FAULTS.get().is_some() {
        FAULTS.set(Some((fault, left - most)));
    }
    Ok(most)
}

/// Before a file is synchronised.
pub(super) fn sync() -> io::Result<()> {
    match current() {
        Some((Fault::Sync, _)) => Err(Fault::Sync.error()),
        _ => Ok(()),
    }
}
