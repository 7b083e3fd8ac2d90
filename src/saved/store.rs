//! The folder of sessions.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::private;
use super::read::{SavedConversation, read};
use super::record::{Header, Record};

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

/// One line of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub name: String,
    /// Beginning of the first question; not yet made safe for a terminal.
    pub title: String,
    pub turns: usize,
    pub modified: SystemTime,
}

/// Appends to one session; nobody else can while it lives.
#[derive(Debug)]
pub struct Writer {
    pub name: String,
    path: PathBuf,
    file: File,
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

    /// A new session of that name; characters that make no file name are replaced.
    pub fn create_named(&self, name: &str, header: &Header) -> Result<Writer> {
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ' | '.');
        let name: String = name
            .trim()
            .chars()
            .take(100)
            .map(|c| if fits(c) { c } else { '-' })
            .collect();
        let name = name.trim_start_matches('.');
        self.create_at(
            if name.is_empty() {
                "conversation"
            } else {
                name
            },
            header,
        )
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
            let file = private::options().append(true).create_new(true).open(&path);
            match file {
                Ok(file) => {
                    let mut writer = Writer { name, path, file };
                    writer.lock()?;
                    writer.line(header)?;
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
        let file = OpenOptions::new().read(true).append(true).open(&path);
        let mut writer = Writer {
            name,
            file: file.map_err(failed)?,
            path: path.clone(),
        };
        writer.lock()?;
        let content = content(&path, &mut writer.file)?;
        let conversation = read(&content);
        if conversation.whole < content.len() {
            // Half a line of a crash: what is appended must begin on a new one.
            let whole = conversation.whole as u64;
            writer.file.set_len(whole).map_err(failed)?;
            writer.file.seek(SeekFrom::End(0)).map_err(failed)?;
        }
        Ok((conversation, writer))
    }

    /// Reads a session without opening it.
    pub fn show(&self, name: &str) -> Result<SavedConversation> {
        let path = self.path(&self.resolve(name)?);
        let mut file = File::open(&path).map_err(|source| SessionError::Io {
            path: path.clone(),
            source,
        })?;
        Ok(read(&content(&path, &mut file)?))
    }

    /// All sessions that contain `query`, the newest first.
    pub fn list(&self, query: &str) -> Vec<Summary> {
        let mut all: Vec<Summary> = self
            .names()
            .into_iter()
            .filter_map(|(name, modified)| {
                let conversation = self.show(&name).ok()?;
                let fits = query.is_empty() || name.contains(query) || conversation.contains(query);
                (fits && !conversation.turns.is_empty()).then(|| Summary {
                    title: conversation.title(),
                    turns: conversation.turns.len(),
                    name,
                    modified,
                })
            })
            .collect();
        all.sort_by(|a, b| b.modified.cmp(&a.modified).then(b.name.cmp(&a.name)));
        all
    }

    /// The name of the session that was written to last.
    pub fn latest(&self) -> Result<String> {
        let newest = self.list("").into_iter().next();
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

    fn names(&self) -> Vec<(String, SystemTime)> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| {
                let path = entry.path();
                let ours = path.extension().is_some_and(|e| e == ENDING);
                let name = path.file_stem()?.to_str().filter(|_| ours)?.to_owned();
                let modified = entry.metadata().and_then(|m| m.modified()).ok()?;
                Some((name, modified))
            })
            .collect()
    }

    fn resolve(&self, name: &str) -> Result<String> {
        let name = name.trim();
        let names = self.names();
        if names.iter().any(|(n, _)| n == name) {
            return Ok(name.to_owned());
        }
        let mut fitting = names.into_iter().filter(|(n, _)| n.starts_with(name));
        match (fitting.next().filter(|_| !name.is_empty()), fitting.next()) {
            (Some((found, _)), None) => Ok(found),
            (Some(_), Some(_)) => Err(SessionError::Ambiguous(name.to_owned())),
            (None, _) => Err(SessionError::Unknown(name.to_owned())),
        }
    }
}

impl Writer {
    /// Appends a record; it is with the operating system when this returns.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        self.line(record)
    }

    fn line(&mut self, value: &impl serde::Serialize) -> Result<()> {
        let written = serde_json::to_vec(value)
            .map_err(io::Error::from)
            .and_then(|mut line| {
                line.push(b'\n');
                // One call: another process never sees half of it without the other half coming.
                self.file.write_all(&line)
            });
        written.map_err(|source| SessionError::Io {
            path: self.path.clone(),
            source,
        })
    }

    fn lock(&mut self) -> Result<()> {
        match self.file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(SessionError::InUse(self.name.clone())),
            // File systems without locks: going on is better than not saving.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
        }
    }
}

fn content(path: &Path, file: &mut File) -> Result<Vec<u8>> {
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
