//! A disk that fails where a test says.
//!
//! In a test, [`Faults`] holds for its thread. A whole program is told by the file that
//! `CACHAT_TEST_DISK` names, for as long as it says so: `full` from the first byte on, `io 300` from
//! the 300th that the program writes, `kill 300 archive` of those that its thread of that name
//! writes. Builds for use do not look at it.

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// How a disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No space is left.
    Full,
    /// The medium does not take it.
    Io,
    /// A signal comes in between, once.
    Interrupted,
    /// Nothing fails, but no call writes more than a few bytes.
    Short,
    /// Mounted for reading: nothing can even be opened.
    ReadOnly,
    /// Everything is written, and then it cannot be had on the disk.
    Sync,
    /// The program is killed in the middle of a write.
    Kill,
}

/// The most that a short write takes.
const SHORT: usize = 7;

impl Fault {
    /// As tests write it.
    fn named(name: &str) -> Option<Fault> {
        Some(match name {
            "full" => Fault::Full,
            "io" => Fault::Io,
            "interrupted" => Fault::Interrupted,
            "short" => Fault::Short,
            "readonly" => Fault::ReadOnly,
            "sync" => Fault::Sync,
            "kill" => Fault::Kill,
            _ => return None,
        })
    }

    /// As the system numbers it.
    pub fn number(self) -> i32 {
        #[cfg(unix)]
        return match self {
            Fault::Full => libc::ENOSPC,
            Fault::Io | Fault::Sync | Fault::Short | Fault::Kill => libc::EIO,
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

/// Bytes that the program wrote, by threads that the fault is meant for.
static WRITTEN: AtomicUsize = AtomicUsize::new(0);
/// The program's one interruption is over.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

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

/// What fails, and how many bytes there are before it.
fn current() -> Option<(Fault, usize)> {
    cfg!(debug_assertions)
        .then(|| FAULTS.get().or_else(told))
        .flatten()
}

/// What the program as a whole is told.
fn told() -> Option<(Fault, usize)> {
    let said = std::fs::read_to_string(std::env::var_os("CACHAT_TEST_DISK")?).ok()?;
    let mut words = said.split_whitespace();
    let fault = Fault::named(words.next()?)?;
    let at: usize = words.next().map_or(Some(0), |number| number.parse().ok())?;
    let thread = std::thread::current();
    if words.next().is_some_and(|name| thread.name() != Some(name)) {
        return None;
    }
    let left = at.saturating_sub(WRITTEN.load(SeqCst));
    let over = fault == Fault::Interrupted && INTERRUPTED.load(SeqCst);
    (!over).then_some((fault, left))
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
        Fault::Short if left == 0 => bytes.min(SHORT),
        _ => bytes.min(left),
    };
    if most == 0 && bytes > 0 {
        match fault {
            Fault::Interrupted if FAULTS.get().is_some() => FAULTS.set(None),
            Fault::Interrupted => INTERRUPTED.store(true, SeqCst),
            Fault::Kill => kill(),
            _ => {}
        }
        return Err(fault.error());
    }
    match FAULTS.get() {
        Some(_) => FAULTS.set(Some((fault, left.saturating_sub(most)))),
        None => {
            WRITTEN.fetch_add(most, SeqCst);
        }
    }
    Ok(most)
}

/// As the system does it: nothing of the program runs any more.
fn kill() {
    #[cfg(unix)]
    let _ = signal_hook::low_level::raise(libc::SIGKILL);
}

/// Before a file is synchronised.
pub(super) fn sync() -> io::Result<()> {
    match current() {
        Some((Fault::Sync, _)) => Err(Fault::Sync.error()),
        _ => Ok(()),
    }
}
