//! The folder of sessions.

use std::fs::{DirEntry, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::list::Summary;
use super::private;
use super::read::{SavedConversation, read};
use super::record::{Header, Record};
use crate::disk::{self, Out};

/// How long a lock is waited for.
const PATIENCE: Duration = Duration::from_millis(300);
/// Larger files are not sessions of ours (a question holds at most 16 MiB).
const LARGEST: u64 = 1 << 30;
const ENDING: &str = "jsonl";

/// Why a session cannot be had. Each says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("there is no conversation `{0}`; `cachat sessions` lists them")]
    Unknown(String),
    #[error("`{0}` fits several conversations; write more of the name")]
    Ambiguous(String),
    #[error("there is no earlier conversation")]
    None,
    #[error("the conversation {0} is open in another window; close it there first")]
    InUse(String),
    #[error("{name} is {bytes} bytes, too large for a conversation of this app")]
    TooLarge { name: String, bytes: u64 },
    #[error("cannot use {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

type Result<T> = std::result::Result<T, SessionError>;

/// A session's file; the later one is the greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    modified: SystemTime,
    name: String,
    len: u64,
}

/// Appends to one session; nobody else can while it lives.
#[derive(Debug)]
pub struct Writer {
    pub name: String,
    path: PathBuf,
    out: Out,
    /// Bytes up to the end of the last whole line.
    whole: u64,
    /// Behind those there may be half a line, since the disk did not take the other half.
    torn: bool,
}

#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Conversations in `folder`, which need not exist yet; one that others can read is closed to
    /// them.
    pub fn new(folder: impl Into<PathBuf>) -> Store {
        let folder = folder.into();
        private::mend(&folder, ENDING);
        Store { folder }
    }

    /// A new session, named by the moment; `created` as RFC 3339.
    pub fn create(&self, header: &Header) -> Result<Writer> {
        let stamp: String = header
            .created
            .chars()
            .take(19)
            .map(|c| if c.is_ascii_digit() { c } else { '-' })
            .collect();
        self.create_at(&stamp, header)
    }

    /// The name that a session which is called so has: characters that make no file name are replaced.
    pub fn named(name: &str) -> String {
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ' | '.');
        let fitting = |c: char| if fits(c) { c } else { '-' };
        let name: String = name.trim().chars().take(100).map(fitting).collect();
        // No option of a command, and no hidden file.
        match name.trim_start_matches(['.', '-']) {
            "" => "conversation".to_owned(),
            name => name.to_owned(),
        }
    }

    /// A new session of that name, see [`Store::named`].
    pub fn create_named(&self, name: &str, header: &Header) -> Result<Writer> {
        self.create_at(&Self::named(name), header)
    }

    /// A new session of that name, or of that name with a number.
    fn create_at(&self, stamp: &str, header: &Header) -> Result<Writer> {
        let failed = |source| SessionError::Io {
            path: self.folder.clone(),
            source,
        };
        private::folder(&self.folder).map_err(failed)?;
        for n in 1.. {
            let name = match n {
                1 => stamp.to_owned(),
                n => format!("{stamp}-{n}"),
            };
            let path = self.path(&name);
            match disk::create_new(&path, private::options().append(true)) {
                Ok(out) => {
                    let mut writer = Writer::new(name, path, out, 0);
                    writer.lock()?;
                    if let Err(error) = writer.line(header) {
                        // One that cannot even begin is no conversation.
                        let _ = std::fs::remove_file(&writer.path);
                        return Err(error);
                    }
                    return Ok(writer);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && n < 1000 => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(SessionError::None)
    }

    /// Opens a session by its name or an unmistakable beginning of it, to go on with it.
    pub fn open(&self, name: &str) -> Result<(SavedConversation, Writer)> {
        let name = self.resolve(name)?;
        let path = self.path(&name);
        let failed = |source| SessionError::Io {
            path: path.clone(),
            source,
        };
        let file = disk::open(&path, OpenOptions::new().read(true).append(true));
        let out = Out::new(file.map_err(failed)?);
        let mut writer = Writer::new(name, path.clone(), out, 0);
        writer.lock()?;
        let content = content(&path, writer.out.file())?;
        let conversation = read(&content);
        writer.whole = conversation.whole as u64;
        // Half a line of a crash: what is appended must begin on a new one.
        writer.torn = conversation.whole < content.len();
        writer.mend().map_err(failed)?;
        Ok((conversation, writer))
    }

    /// Reads a session without opening it.
    pub fn show(&self, name: &str) -> Result<SavedConversation> {
        self.whole(&self.resolve(name)?)
    }

    fn whole(&self, name: &str) -> Result<SavedConversation> {
        let path = self.path(name);
        let file = disk::open(&path, OpenOptions::new().read(true));
        let file = file.map_err(|source| SessionError::Io {
            path: path.clone(),
            source,
        })?;
        Ok(read(&content(&path, &file)?))
    }

    /// The sessions that contain `query`, the newest first. Without a query only the head of each
    /// is read, and that when it is asked for.
    pub fn list(&self, query: &str) -> impl Iterator<Item = Summary> {
        let query = query.to_lowercase();
        let found = self.found().into_iter();
        found.filter_map(move |found| self.summary(found, &query))
    }

    /// The same, read by some threads at once: for who wants all of them.
    pub fn all(&self, query: &str) -> Vec<Summary> {
        const FEW: usize = 200;
        let query = query.to_lowercase();
        let found = self.found();
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(4));
        let part = found.len().div_ceil(threads).max(FEW);
        let read = |part: &[Found]| -> Vec<Summary> {
            let found = part.iter().cloned();
            found.filter_map(|f| self.summary(f, &query)).collect()
        };
        let read = &read;
        std::thread::scope(|scope| {
            let mut parts = found.chunks(part);
            let first = parts.next().unwrap_or_default();
            let others: Vec<_> = parts
                .map(|part| {
                    (
                        part,
                        std::thread::Builder::new().spawn_scoped(scope, move || read(part)),
                    )
                })
                .collect();
            let mut all = read(first);
            for (part, thread) in others {
                // A thread that could not be had is not needed.
                let done = thread.ok().and_then(|thread| thread.join().ok());
                all.extend(done.unwrap_or_else(|| read(part)));
            }
            all
        })
    }

    /// The sessions' files, the newest first.
    fn found(&self) -> Vec<Found> {
        let found = self.entries().filter_map(|(name, entry)| {
            let data = entry.metadata().ok()?;
            Some(Found {
                modified: data.modified().ok()?,
                name,
                len: data.len(),
            })
        });
        let mut found: Vec<Found> = found.collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        found
    }

    fn summary(&self, found: Found, query: &str) -> Option<Summary> {
        let Found {
            modified,
            name,
            len,
        } = found;
        if query.is_empty() {
            let file = disk::open(&self.path(&name), OpenOptions::new().read(true)).ok()?;
            return Summary::of_head(name, modified, file, len);
        }
        let conversation = self.whole(&name).ok()?;
        let title = || conversation.title().to_lowercase().contains(query);
        let fits = name.contains(query) || title() || conversation.contains(query);
        let summary = Summary::of(name, modified, &conversation);
        summary.filter(|_| fits)
    }

    /// The name of the session that was written to last.
    pub fn latest(&self) -> Result<String> {
        let newest = self.list("").next();
        newest.map(|s| s.name).ok_or(SessionError::None)
    }

    /// Deletes one session.
    pub fn delete(&self, name: &str) -> Result<String> {
        let (_, writer) = self.open(name)?;
        std::fs::remove_file(&writer.path).map_err(|source| SessionError::Io {
            path: writer.path.clone(),
            source,
        })?;
        Ok(writer.name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.{ENDING}"))
    }

    /// The plain files that are called like sessions; nothing of them is read.
    fn entries(&self) -> impl Iterator<Item = (String, DirEntry)> {
        let entries = std::fs::read_dir(&self.folder);
        entries.into_iter().flatten().flatten().filter_map(|entry| {
            let name = entry.file_name();
            let name = name.to_str()?.strip_suffix(ENDING)?.strip_suffix('.')?;
            let plain = entry.file_type().is_ok_and(|kind| kind.is_file());
            (plain && !name.is_empty()).then(|| (name.to_owned(), entry))
        })
    }

    fn resolve(&self, name: &str) -> Result<String> {
        let name = name.trim();
        let mut fitting: Vec<String> = Vec::new();
        for (found, _) in self.entries() {
            if found == name {
                return Ok(found);
            }
            if found.starts_with(name) {
                fitting.push(found);
            }
        }
        let mut fitting = fitting.into_iter();
        match (fitting.next().filter(|_| !name.is_empty()), fitting.next()) {
            (Some(found), None) => Ok(found),
            (Some(_), Some(_)) => Err(SessionError::Ambiguous(name.to_owned())),
            (None, _) => Err(SessionError::Unknown(name.to_owned())),
        }
    }
}

impl Writer {
    fn new(name: String, path: PathBuf, out: Out, whole: u64) -> Writer {
        Writer {
            name,
            path,
            out,
            whole,
            torn: false,
        }
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

    fn line(&mut self, value: &impl serde::Serialize) -> Result<()> {
        let written = serde_json::to_vec(value)
            .map_err(io::Error::from)
            .and_then(|mut line| {
                line.push(b'\n');
                self.mend()?;
                self.torn = true;
                // One call: another process never sees half of it without the other half coming.
                self.out.write_all(&line)?;
                self.whole += line.len() as u64;
                self.torn = false;
                Ok(())
            });
        written.map_err(|source| {
            let _ = self.mend();
            SessionError::Io {
                path: self.path.clone(),
                source,
            }
        })
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
    fn lock(&mut self) -> Result<()> {
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

fn content(path: &Path, file: &File) -> Result<Vec<u8>> {
    let failed = |source| SessionError::Io {
        path: path.to_owned(),
        source,
    };
    let bytes = file.metadata().map_err(failed)?.len();
    if bytes > LARGEST {
        let name = path.display().to_string();
        return Err(SessionError::TooLarge { name, bytes });
    }
    let mut content = Vec::new();
    file.take(LARGEST)
        .read_to_end(&mut content)
        .map_err(failed)?;
    Ok(content)
}
