//! One file of a Hub repository, from the first question to a whole part file. Every word of the
//! server is checked before it means anything here; none becomes a path.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::client::{Client, Reply};
use super::known::Pin;
use super::local;
use super::miss::Miss;
use super::part::Part;

/// Bytes between two reports.
const STEP: u64 = 256 * 1024;
/// A list of files that is longer than this is none.
const LIST: u64 = 16 << 20;
/// Connections in a row that may bring nothing new, beside the first.
const RETRIES: u32 = 2;
/// Connections of one download, and the bytes that allow one more: whoever gives a byte on each would
/// keep us for days.
const CONNECTIONS: u64 = 200;
const PIECE: u64 = 256 << 10;
/// Bytes of a disk that a download leaves free.
const SPARE: u64 = 64 << 20;
/// What stays as it is in an address.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// How far a download is.
#[derive(Debug)]
pub enum Step {
    Size(u64),
    Done(u64),
}

/// A whole file, not yet checked against its hash.
#[derive(Debug)]
pub struct Fetched {
    pub path: PathBuf,
    /// Its name in the repository.
    pub name: String,
    pub bytes: u64,
    /// What it must be, where anybody said.
    pub sha256: Option<String>,
    /// The repository's revision.
    pub commit: Option<String>,
    /// A part of it is from an earlier download.
    pub resumed: bool,
}

/// How the connections of one download went.
struct Tries {
    /// Where the part began, and the furthest that it has ever been.
    start: u64,
    most: u64,
    connections: u64,
    /// Those in a row that brought it no further than that.
    vain: u32,
}

impl Tries {
    fn new(start: u64) -> Tries {
        Tries {
            start,
            most: start,
            connections: 0,
            vain: 0,
        }
    }

    /// Counts a connection that broke and left `bytes`; how long to wait for the next, if one is
    /// worth it.
    fn again(&mut self, bytes: u64) -> Option<Duration> {
        self.connections += 1;
        self.vain = if bytes > self.most { 0 } else { self.vain + 1 };
        self.most = self.most.max(bytes);
        let limit = CONNECTIONS + (self.most - self.start) / PIECE;
        let worth = self.vain <= RETRIES && self.connections < limit;
        worth.then(|| Duration::from_millis(300 << self.vain))
    }
}

/// Fetches the file `name` of `repo` into a file in `staging`. `tell` is false where nobody waits for it
/// any more.
pub fn download(
    client: &Client,
    repo: &str,
    name: &str,
    pin: Option<Pin>,
    staging: &Path,
    tell: &mut dyn FnMut(Step) -> bool,
) -> Result<Fetched, Miss> {
    if !is_name(name) {
        return Err(Miss::said("the file's name is none that a repository has"));
    }
    let encoded: Vec<String> = name
        .split('/')
        .map(|part| utf8_percent_encode(part, KEPT).to_string())
        .collect();
    let path = format!("{repo}/resolve/main/{}", encoded.join("/"));
    let first = client.get(&path, Some("bytes=0-0"))?.ok("such file")?;
    let bytes = whole(&first, pin)?;
    let facts = first.facts.clone();
    drop(first);
    let sha256 = pin
        .map(|pin| pin.sha256.to_string())
        .or(facts.sha256.clone());

    let kind = sha256.as_deref().unwrap_or_default();
    let id = Sha256::digest(format!("{repo}\n{name}\n{kind}\n{bytes}"));
    let id: String = id.iter().take(16).map(|b| format!("{b:02x}")).collect();
    // Only what a hash will vouch for is gone on with.
    let mut part = Part::open(staging, &format!("{id}.part"), sha256.is_some())?;
    if part.bytes > bytes {
        part.empty()?;
    }
    let resumed = part.bytes > 0;
    has_room(staging, bytes - part.bytes, crate::disk::free(staging))?;
    let mut tries = Tries::new(part.bytes);
    while part.bytes < bytes {
        if !(tell(Step::Size(bytes)) && tell(Step::Done(part.bytes))) {
            return Err(Miss::said("it was given up"));
        }
        let range = format!("bytes={}-", part.bytes);
        let end = client.get(&path, Some(&range)).and_then(|reply| {
            if reply.facts != facts {
                return Err(Miss::said(
                    "the file changed while it was fetched: try again",
                ));
            }
            fill(&mut part, reply, bytes, tell)
        });
        let why = match end {
            Ok(()) if part.bytes == bytes => break,
            Ok(()) => "the connection ended".to_string(),
            Err(Miss::Elsewhere(why)) => why,
            Err(miss) => return Err(miss),
        };
        let Some(pause) = tries.again(part.bytes) else {
            let kept = match part.bytes > 0 && sha256.is_some() {
                true => "; the part that came is kept and will be resumed",
                false => "",
            };
            let (came, times) = (part.bytes, tries.connections);
            return Err(Miss::Elsewhere(format!(
                "{why} after {came} of {bytes} bytes in {times} connections: try again later, or \
                 over another network{kept}"
            )));
        };
        std::thread::sleep(pause);
    }
    tell(Step::Size(bytes));
    tell(Step::Done(bytes));
    let synced = part.file.sync();
    synced.map_err(|error| Miss::Unwritable(part.path.clone(), error))?;
    Ok(Fetched {
        path: part.path,
        name: name.to_string(),
        bytes,
        sha256,
        commit: facts.commit,
        resumed,
    })
}

/// Refuses what the disk has no room for, before any of it comes.
fn has_room(folder: &Path, needed: u64, free: Option<u64>) -> Result<(), Miss> {
    match free.filter(|free| *free < needed.saturating_add(SPARE)) {
        None => Ok(()),
        Some(free) => {
            let giga = |bytes: u64| bytes as f64 / 1e9;
            let what = format!(
                "{:.2} GB are still to come, and {:.2} GB are free there",
                giga(needed),
                giga(free)
            );
            let full = std::io::Error::new(std::io::ErrorKind::StorageFull, what);
            Err(Miss::Unwritable(folder.to_path_buf(), full))
        }
    }
}

/// How long the file is, where all who say so say the same.
fn whole(reply: &Reply, pin: Option<Pin>) -> Result<u64, Miss> {
    let length = match reply.response.status().as_u16() {
        206 => reply.range().map(|(_, whole)| whole),
        _ => reply.length(),
    };
    let said = [length, reply.facts.bytes];
    let pinned = pin.map(|pin| pin.bytes);
    let Some(bytes) = pinned.or(reply.facts.bytes).or(length) else {
        return Err(Miss::said("it does not say how long the file is"));
    };
    match said.into_iter().flatten().find(|other| *other != bytes) {
        Some(other) => Err(Miss::Corrupt(format!("it has {other} bytes, not {bytes}"))),
        None => Ok(bytes),
    }
}

/// Adds what comes to the part, never more than the file has.
fn fill(
    part: &mut Part,
    reply: Reply,
    bytes: u64,
    tell: &mut dyn FnMut(Step) -> bool,
) -> Result<(), Miss> {
    let reply = reply.ok("such file")?;
    if reply.response.status().as_u16() == 206 {
        if reply.range() != Some((part.bytes, bytes)) {
            return Err(Miss::Corrupt(
                "another piece came than was asked for".into(),
            ));
        }
    } else if part.bytes > 0 {
        // Whoever knows no ranges sends the whole.
        part.empty()?;
    }
    let longer = || Miss::Corrupt(format!("it is longer than the {bytes} bytes that it has"));
    if reply.length().is_some_and(|n| n > bytes - part.bytes) {
        return Err(longer());
    }
    let mut body = reply.response.into_body().into_reader();
    let (mut buffer, mut reported) = (vec![0; 1 << 16], part.bytes);
    loop {
        let read = match body.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Miss::said(&error.to_string())),
        };
        if read as u64 > bytes - part.bytes {
            return Err(longer());
        }
        let written = part.file.write_all(&buffer[..read]);
        written.map_err(|error| Miss::Unwritable(part.path.clone(), error))?;
        part.bytes += read as u64;
        if part.bytes >= reported + STEP {
            reported = part.bytes;
            if !tell(Step::Done(part.bytes)) {
                return Err(Miss::said("it was given up"));
            }
        }
    }
}

#[derive(serde::Deserialize)]
struct Listing {
    siblings: Vec<Sibling>,
}

#[derive(serde::Deserialize)]
struct Sibling {
    rfilename: String,
}

/// The best of a repository's GGUF files.
pub fn choose(client: &Client, repo: &str) -> Result<String, Miss> {
    let path = format!("api/models/{repo}/revision/main");
    let reply = client.get(&path, None)?.ok("such repository")?;
    let body = reply.response.into_body().into_with_config().limit(LIST);
    let listing: Listing = serde_json::from_reader(body.reader())
        .map_err(|_| Miss::said("its list of the repository's files cannot be read"))?;
    let names = listing.siblings.into_iter().map(|file| file.rfilename);
    let mut names: Vec<String> = names.filter(|name| is_name(name)).collect();
    let best = local::best(&names);
    let best =
        best.ok_or_else(|| Miss::Elsewhere(format!("{repo} has no GGUF file that can be read")))?;
    Ok(names.swap_remove(best))
}

/// Whether a file in a repository can be called so: relative, within it, and in plain letters.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "-_.+ ()[]@=,~#%&'!".contains(c);
    let part = |part: &str| {
        !part.is_empty()
            && part.len() < 256
            && part != "."
            && part != ".."
            && part.chars().all(plain)
    };
    name.len() < 1024 && name.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_room_is_refused_before_it_comes() {
        let at = Path::new("/x");
        assert!(has_room(at, 1 << 40, None).is_ok());
        assert!(has_room(at, 1 << 30, Some(2 << 30)).is_ok());
        let Err(Miss::Unwritable(path, why)) = has_room(at, 1 << 30, Some(1 << 30)) else {
            panic!("there is no room");
        };
        assert_eq!((&*path, why.kind()), (at, std::io::ErrorKind::StorageFull));
        assert_eq!(
            why.to_string(),
            "1.07 GB are still to come, and 1.07 GB are free there"
        );
    }

    #[test]
    fn a_bad_line_is_gone_on_with_and_a_server_that_gives_next_to_nothing_is_not() {
        let ends = |start, left: fn(u64) -> u64| {
            let mut tries = Tries::new(start);
            (1..=5_000).find(|n| tries.again(left(*n)).is_none())
        };
        // 20 GB in pieces; with two connections in vain between them.
        assert_eq!(ends(0, |n| n * PIECE), None);
        assert_eq!(ends(0, |n| n / 3 * 4 * PIECE), None);
        // A byte each; little and less in turn; nothing; less than there was.
        assert_eq!(ends(0, |n| n), Some(CONNECTIONS));
        assert_eq!(ends(0, |n| 100 + n % 2 * 100), Some(4));
        assert_eq!(ends(0, |_| 0), Some(3));
        assert_eq!(ends(100, |n| n), Some(3));
    }

    #[test]
    fn names_stay_within_the_repository() {
        for name in ["a.gguf", "Q4/a b-00001.gguf", "модель.gguf", "..a.gguf"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            "/a.gguf",
            "../a.gguf",
            "a/../../b.gguf",
            "a//b.gguf",
            "./a.gguf",
            "a\\b.gguf",
            "C:a.gguf",
            "a\n.gguf",
            "a\u{1b}[2J.gguf",
            "a\u{202e}.gguf",
            "a/",
            "a\0.gguf",
        ] {
            assert!(!is_name(name), "{name:?}");
        }
        assert!(!is_name(&"a".repeat(300)));
    }
}
