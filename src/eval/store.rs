//! The file of answers: a line is written when an answer is there, so that a run that was ended goes on.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::EvalError;
use super::record::{Key, Record};
use crate::disk;
use crate::unseen::json;

/// The names of a run's files.
const ANSWERS: &str = "answers.jsonl";
const CONDITIONS: &str = "run.json";

/// A run's folder.
pub struct Store {
    path: PathBuf,
    file: File,
    /// Where each answer stands among the records.
    known: HashMap<Key, usize>,
    records: Vec<Record>,
}

fn wrong(path: &Path, what: impl ToString) -> EvalError {
    EvalError::Records {
        path: path.display().to_string(),
        what: what.to_string(),
    }
}

impl Store {
    /// A folder for a run under `conditions`: a new or an empty one, or with `resume` one that may have
    /// answers of a run under the same. A line that was cut off is dropped. Nobody else can open it while
    /// it is held.
    ///
    /// # Errors
    /// What the system says, files that are no run's, answers that are there already or belong to other
    /// conditions.
    pub fn open(
        folder: &Path,
        conditions: &serde_json::Value,
        resume: bool,
    ) -> Result<Store, EvalError> {
        std::fs::create_dir_all(folder).map_err(|e| wrong(folder, e))?;
        let path = folder.join(ANSWERS);
        let said = folder.join(CONDITIONS);
        // A run that ended before its first line was written is one that has not begun.
        let there = said.exists();
        if there && !resume && path.exists() {
            let what = "there are answers already; go on with --resume, or name another folder";
            return Err(wrong(&path, what));
        }
        let text = format!("{}\n", json(&conditions.to_string()));
        if there {
            let before = std::fs::read_to_string(&said).map_err(|e| wrong(&said, e))?;
            if before != text {
                let what = "these answers were given under other conditions; name another folder";
                return Err(wrong(&said, what));
            }
        } else if others(folder).map_err(|e| wrong(folder, e))? {
            let what = "there are files that are no run's; name a new folder, or an empty one";
            return Err(wrong(folder, what));
        }
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = disk::open(&path, options).map_err(|e| wrong(&path, e))?;
        // Where files cannot be locked, they are not.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(wrong(&path, "another run is writing there"));
        }
        if !there {
            disk::write_new(&said, text.as_bytes()).map_err(|e| wrong(&said, e))?;
        }
        let records: Vec<Record> = whole(&mut file).map_err(|e| wrong(&path, e))?;
        let known = records.iter().map(Record::key).zip(0..).collect();
        Ok(Store {
            path,
            file,
            known,
            records,
        })
    }

    /// The answer, if it is there.
    pub fn get(&self, key: &Key) -> Option<Record> {
        let at = self.known.get(key)?;
        self.records.get(*at).cloned()
    }

    /// Writes those that are not there.
    ///
    /// # Errors
    /// What the system says.
    pub fn add(&mut self, records: Vec<Record>) -> Result<(), EvalError> {
        let mut lines = String::new();
        for record in records {
            let key = record.key();
            if !self.known.contains_key(&key) {
                self.known.insert(key, self.records.len());
                let line = serde_json::to_string(&record).map_err(|e| wrong(&self.path, e))?;
                lines.push_str(&json(&line));
                lines.push('\n');
                self.records.push(record);
            }
        }
        let written = self.file.write_all(lines.as_bytes());
        written
            .and_then(|()| self.file.flush())
            .map_err(|e| wrong(&self.path, e))
    }
}

/// Whether a folder has anything but an empty file of answers.
fn others(folder: &Path) -> io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() != ANSWERS || entry.metadata()?.len() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The records of all whole lines; the file ends behind them.
fn whole(file: &mut File) -> io::Result<Vec<Record>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let end = bytes
        .iter()
        .rposition(|&b| b == b'\n')
        .map_or(0, |at| at + 1);
    let mut records = Vec::new();
    for (i, line) in bytes[..end].split(|&b| b == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let record = serde_json::from_slice(line).map_err(|e| {
            let what = format!("line {} is no answer: {e}", i + 1);
            io::Error::new(io::ErrorKind::InvalidData, what)
        })?;
        records.push(record);
    }
    file.set_len(end as u64)?;
    file.seek(SeekFrom::Start(end as u64))?;
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &Path, resume: bool) -> Result<Store, String> {
        let conditions = serde_json::json!({"model": "tiny"});
        Store::open(folder, &conditions, resume).map_err(|e| e.to_string())
    }

    #[test]
    fn a_run_has_its_folder_for_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let store = open(&path, false).unwrap();
        let held = open(&path, true).err().unwrap();
        assert!(held.ends_with("another run is writing there"), "{held}");
        drop(store);
        assert!(open(&path, false).err().unwrap().contains("--resume"));
        drop(open(&path, true).unwrap());
        // Ended before it said what it was.
        std::fs::remove_file(path.join(CONDITIONS)).unwrap();
        drop(open(&path, false).unwrap());
        for name in ["table.md", "run.json", ANSWERS] {
            let foreign = folder.path().join(name).with_extension("folder");
            std::fs::create_dir(&foreign).unwrap();
            std::fs::write(foreign.join(name), "mine").unwrap();
            for resume in [false, true] {
                let error = open(&foreign, resume).err().unwrap();
                assert!(error.contains("name a"), "{error}");
            }
            let left: Vec<_> = std::fs::read_dir(&foreign).unwrap().collect();
            assert_eq!(left.len(), 1, "{name}");
            assert_eq!(std::fs::read(foreign.join(name)).unwrap(), b"mine");
        }
    }
}
