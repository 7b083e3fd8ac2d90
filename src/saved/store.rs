//! The folder of sessions.

use std::fs::{DirEntry, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::error::{LARGEST, Result, SessionError};
use super::list::Summary;
use super::private;
use super::read::{SavedConversation, read};
use super::record::Header;
use super::writer::Writer;
use crate::disk::{self, Out};

/// Files from this size on are read one at a time.
const LARGE: u64 = 16 << 20;
const ENDING: &str = "jsonl";

/// A session's file; the later one is the greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    modified: SystemTime,
    name: String,
    len: u64,
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
                    let mut writer = Writer::new(name, path, out);
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
        let mut writer = self.locked(name)?;
        let content = content(&writer.path, writer.file())?;
        let conversation = understood(&writer.path, &content)?;
        writer.behind(&content, conversation.whole)?;
        Ok((conversation, writer))
    }

    /// One that nobody else has; nothing of it is read.
    fn locked(&self, name: &str) -> Result<Writer> {
        let name = self.resolve(name)?;
        let path = self.path(&name);
        let failed = |source| SessionError::Io {
            path: path.clone(),
            source,
        };
        let file = disk::open(&path, OpenOptions::new().read(true).append(true));
        let out = Out::new(file.map_err(failed)?);
        let mut writer = Writer::new(name, path, out);
        writer.lock()?;
        Ok(writer)
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
        understood(&path, &content(&path, &file)?)
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
        let one = Mutex::new(());
        let read = |part: &[Found]| -> Vec<Summary> {
            let found = part.iter().cloned();
            let summary = |found: Found| {
                let large = found.len >= LARGE && !query.is_empty();
                let _one = large.then(|| one.lock().unwrap_or_else(PoisonError::into_inner));
                self.summary(found, &query)
            };
            found.filter_map(summary).collect()
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
        let fits = name.to_lowercase().contains(query) || conversation.contains(query);
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
        let writer = self.locked(name)?;
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

/// What a file says, where that can be a conversation.
fn understood(path: &Path, content: &[u8]) -> Result<SavedConversation> {
    let conversation = read(content);
    match conversation.crowded() {
        true => Err(SessionError::Crowded(path.display().to_string())),
        false => Ok(conversation),
    }
}
