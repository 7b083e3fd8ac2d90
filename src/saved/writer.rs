//! Writing to a session's file.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::error::{Result, SessionError};
use super::record::Record;
use crate::disk::Out;

/// How long a lock is waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// Appends to one session; nobody else can while it lives.
#[derive(Debug)]
pub struct Writer {
    pub name: String,
    pub(super) path: PathBuf,
    out: Out,
    /// Bytes up to the end of the last whole line.
    whole: u64,
    /// Behind those there may be half a line, since the disk did not take the other half.
    torn: bool,
    /// The last whole line lacks its end, which goes before what is appended.
    open: bool,
}

impl Writer {
    pub(super) fn new(name: String, path: PathBuf, out: Out) -> Writer {
        Writer {
            name,
            path,
            out,
            whole: 0,
            torn: false,
            open: false,
        }
    }

    pub(super) fn file(&self) -> &File {
        self.out.file()
    }

    /// Goes on behind the `whole` bytes of the file's `content`. Half a line of a crash is taken
    /// away: what is appended must begin on a new one.
    pub(super) fn behind(&mut self, content: &[u8], whole: usize) -> Result<()> {
        self.whole = whole as u64;
        self.torn = whole < content.len();
        let last = content.get(..whole).and_then(<[u8]>::last);
        self.open = last.is_some_and(|&b| b != b'\n');
        self.mend().map_err(|source| self.failed(source))
    }

    /// Appends a record, the whole of it or nothing; it is with the operating system when this
    /// returns.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        self.line(record)
    }

    /// What has everything on the disk when it returns; it may take a while.
    pub fn syncing(&self) -> io::Result<impl FnOnce() -> Result<()> + Send + use<>> {
        let (out, path) = (Out::new(self.out.file().try_clone()?), self.path.clone());
        Ok(move || {
            out.sync()
                .map_err(|source| SessionError::Io { path, source })
        })
    }

    /// Has everything on the disk when it returns.
    pub fn sync(&self) -> Result<()> {
        self.out.sync().map_err(|source| self.failed(source))
    }

    pub(super) fn line(&mut self, value: &impl serde::Serialize) -> Result<()> {
        let mut line = if self.open { vec![b'\n'] } else { Vec::new() };
        let written = serde_json::to_writer(&mut line, value)
            .map_err(io::Error::from)
            .and_then(|()| {
                line.push(b'\n');
                self.mend()?;
                self.torn = true;
                // One call: another process never sees half of it without the other half coming.
                self.out.write_all(&line)?;
                self.whole += line.len() as u64;
                (self.torn, self.open) = (false, false);
                Ok(())
            });
        written.map_err(|source| {
            let _ = self.mend();
            self.failed(source)
        })
    }

    fn failed(&self, source: io::Error) -> SessionError {
        SessionError::Io {
            path: self.path.clone(),
            source,
        }
    }

    /// Takes half a line away.
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.out.file().set_len(self.whole)?;
            self.torn = false;
        }
        Ok(())
    }

    /// Waits a moment for one who was just killed: a helper that he was starting may hold his lock until it runs.
    pub(super) fn lock(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            match self.out.file().try_lock() {
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {
                    std::thread::sleep(PATIENCE / 15);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(SessionError::InUse(self.name.clone()));
                }
                // File systems without locks: going on is better than not saving.
                Ok(()) | Err(TryLockError::Error(_)) => return Ok(()),
            }
        }
    }
}
