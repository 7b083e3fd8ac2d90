//! Segments on the disk: a folder per model, a file per segment, the least recently used go first.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::chain::Name;
use super::layout::Layout;
use super::segment::Segment;
use crate::cache::PAGE;
use crate::disk::{self, Out};

/// Ends the name of a segment's file.
const END: &str = ".kv";
/// Ends the name of one that is being written.
const UNFINISHED: &str = ".part";
/// In the place of the first page's name, where there is no whole page.
const SHORT: &str = "short";
/// Segments without a whole page that are looked at behind one name, of those that were used last.
const LOOKED_AT: usize = 16;
/// A file that is still being written after so long is what a killed process left.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// The files of one model's segments. `START.FIRST.ALL.kv` are the names of the tokens before the
/// segment, with its first page behind, and with all of it.
pub struct Folder {
    pub path: PathBuf,
    layout: Layout,
    /// Mapped before, by file name.
    open: Mutex<HashMap<String, Arc<Segment>>>,
    /// Those that were used last.
    last: Mutex<Vec<PathBuf>>,
    /// A file was no whole segment, or one that was in use is gone.
    damaged: AtomicBool,
}

impl Folder {
    pub fn new(path: PathBuf, layout: Layout) -> Folder {
        let (open, damaged) = (Mutex::default(), AtomicBool::new(false));
        Folder {
            path,
            layout,
            open,
            last: Mutex::default(),
            damaged,
        }
    }

    /// What the file of a segment of `ids` behind `start` is called.
    pub fn file_name(start: &Name, ids: &[u32]) -> String {
        let first = match ids.get(..PAGE) {
            Some(page) => start.then(page).to_string(),
            None => SHORT.into(),
        };
        format!("{start}.{first}.{}{END}", start.then(ids))
    }

    /// Names of all segments there are.
    pub fn names(&self) -> Vec<String> {
        let gone = lock(&self.last).iter().any(|path| !path.exists());
        self.damaged.fetch_or(gone, Relaxed);
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let names: Vec<String> = names.filter(|name| name.ends_with(END)).collect();
        // As long as a file is mapped, its bytes stay on the disk.
        let there: HashSet<&String> = names.iter().collect();
        lock(&self.open).retain(|name, _| there.contains(name));
        names
    }

    /// Those of `names` that begin behind `start` and may share tokens with `rest`.
    pub fn behind(&self, names: &[String], start: &Name, rest: &[u32]) -> Vec<Arc<Segment>> {
        let start_text = start.to_string();
        let page = rest.get(..PAGE).map(|page| start.then(page).to_string());
        // All of a short `rest` as one segment is found however many others there are.
        let all = page.is_none().then(|| Folder::file_name(start, rest));
        let (mut same, mut others) = (Vec::new(), Vec::new());
        for name in names.iter().filter(|name| name.starts_with(&start_text)) {
            let first = name.split('.').nth(1).unwrap_or_default();
            if page.as_deref() == Some(first) || all.as_ref() == Some(name) {
                same.push(name);
            } else if first == SHORT || page.is_none() {
                // Without a whole page to look for, any may hold the few tokens.
                others.push(name);
            }
        }
        if others.len() > LOOKED_AT {
            others.sort_by_cached_key(|name| Reverse(self.used_at(name)));
            others.truncate(LOOKED_AT);
        }
        let looked_at = same.into_iter().chain(others);
        looked_at
            .filter_map(|name| self.open(name, &start_text))
            .collect()
    }

    /// When the segment of this name was used last.
    fn used_at(&self, name: &str) -> Option<SystemTime> {
        let data = fs::metadata(self.path.join(name)).ok()?;
        data.modified().ok()
    }

    fn open(&self, name: &str, start: &str) -> Option<Arc<Segment>> {
        let mut open = lock(&self.open);
        let path = self.path.join(name);
        if let Some(segment) = open.get(name) {
            // Somebody may have cut or replaced the file since.
            let len = fs::symlink_metadata(&path).map_or(0, |found| found.len());
            if len == segment.bytes() as u64 && segment.is_whole() {
                return Some(segment.clone());
            }
            open.remove(name);
        }
        match Segment::open(&path, &self.layout, start) {
            Ok(Some(segment)) => {
                let segment = Arc::new(segment);
                open.insert(name.to_owned(), segment.clone());
                Some(segment)
            }
            Ok(None) => {
                self.damaged.store(true, Relaxed);
                let _ = fs::remove_file(&path);
                None
            }
            // It may be whole: the next search tries again.
            Err(_) => None,
        }
    }

    /// These are in use now.
    pub fn used(&self, paths: Vec<PathBuf>) {
        *lock(&self.last) = paths;
    }

    /// Whether files were found damaged or gone since this was asked last; they are gone.
    pub fn was_damaged(&self) -> bool {
        self.damaged.swap(false, Relaxed)
    }

    /// Forgets a segment whose bytes are not what was written.
    pub fn discard(&self, path: &Path) {
        let name = path.file_name().and_then(|name| name.to_str());
        lock(&self.open).remove(name.unwrap_or_default());
        let _ = fs::remove_file(path);
    }
}

/// A file of our own for a segment, where nobody else can read it.
pub fn create(folder: &Path) -> io::Result<(Out, PathBuf)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        builder.mode(0o700);
        options.mode(0o600);
    }
    builder.create(folder)?;
    let number = COUNT.fetch_add(1, Relaxed);
    let path = folder.join(format!(".{}-{number}{UNFINISHED}", std::process::id()));
    Ok((disk::create_new(&path, &mut options)?, path))
}

/// A segment's file, or one that was never finished.
struct Found {
    path: PathBuf,
    len: u64,
    used: SystemTime,
    unfinished: bool,
}

fn all(root: &Path) -> Vec<Found> {
    let inside = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let found = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let unfinished = name.ends_with(UNFINISHED);
        let data = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        (unfinished || name.ends_with(END)).then(|| Found {
            path: entry.path(),
            len: data.len(),
            used: data.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            unfinished,
        })
    };
    let folders = inside(root).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders
        .flat_map(|folder| inside(&folder.path()).collect::<Vec<_>>())
        .filter_map(found)
        .collect()
}

/// Bytes of all segments of all models.
pub fn bytes(root: &Path) -> u64 {
    all(root).iter().map(|found| found.len).sum()
}

/// Removes all segments of all models; how many bytes that gave back.
pub fn free(root: &Path) -> u64 {
    make_room(root, 0, 0)
}

/// Removes what was not used for longest until `needed` more bytes are within `limit`; how many bytes
/// that gave back. Files that are mapped stay readable for who holds them.
pub fn make_room(root: &Path, needed: u64, limit: u64) -> u64 {
    let mut found = all(root);
    let mut held: u64 = found.iter().map(|found| found.len).sum();
    let mut gone = 0;
    let now = SystemTime::now();
    let stale = |found: &Found| {
        let age = now.duration_since(found.used).unwrap_or_default();
        found.unfinished && age > LEFT_BEHIND
    };
    found.sort_by_key(|found| (!stale(found), found.used));
    for found in found {
        let over = held.saturating_add(needed) > limit;
        // What another process is writing is its own.
        let may_go = if found.unfinished {
            stale(&found)
        } else {
            over
        };
        if may_go && fs::remove_file(&found.path).is_ok() {
            held -= found.len;
            gone += found.len;
        }
    }
    gone
}

/// These were used just now, the first ones last: what stands behind goes before what it stands on.
pub fn touch(paths: &[PathBuf]) {
    let now = SystemTime::now();
    for (i, path) in paths.iter().enumerate() {
        let when = now - Duration::from_millis(i as u64);
        if let Ok(file) = File::options().append(true).open(path) {
            let _ = file.set_modified(when);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
