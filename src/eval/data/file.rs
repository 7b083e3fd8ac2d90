//! The lines of a file, one at a time and none too long.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::DataError;

/// Bytes of a row; LongBench's longest have about a million.
const MOST_OF_A_LINE: u64 = 64 << 20;
/// Bytes of a file.
const MOST_OF_A_FILE: u64 = 8 << 30;

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1 on.
    pub line: usize,
    /// Bytes before it.
    pub at: u64,
}

impl Place {
    pub const START: Place = Place { line: 1, at: 0 };
}

/// Shows every line from `from` on that is not empty, with its place, until `take` has enough.
///
/// # Errors
/// What cannot be read, is no plain file or no UTF-8, is too long; and `take`'s own.
pub fn lines(
    path: &Path,
    from: Place,
    take: &mut dyn FnMut(Place, &str) -> Result<bool, DataError>,
) -> Result<(), DataError> {
    let mut file = open(path, MOST_OF_A_FILE)?;
    let sought = file.seek(SeekFrom::Start(from.at));
    sought.map_err(|e| DataError::file(path, e))?;
    let (mut from, mut at) = (BufReader::new(file), from);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let mut bounded = (&mut from).take(MOST_OF_A_LINE + 1);
        let read = bounded.read_until(b'\n', &mut bytes);
        let read = read.map_err(|e| DataError::file(path, e))?;
        if read == 0 {
            return Ok(());
        }
        if bytes.len() as u64 > MOST_OF_A_LINE {
            let what = format!("the line is longer than {} MiB", MOST_OF_A_LINE >> 20);
            return Err(DataError::row(path, at.line, what));
        }
        let text = std::str::from_utf8(&bytes);
        let text = text.map_err(|_| DataError::row(path, at.line, "it is not UTF-8".into()))?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if !text.is_empty() && !take(at, text)? {
            return Ok(());
        }
        at = Place {
            line: at.line + 1,
            at: at.at + read as u64,
        };
    }
}

/// The SHA-256 of what is in it, in hexadecimal.
///
/// # Errors
/// What cannot be read or is no plain file.
pub fn hash(path: &Path) -> Result<String, DataError> {
    let mut from = BufReader::new(open(path, MOST_OF_A_FILE)?);
    let mut hash = Sha256::new();
    loop {
        let some = from.fill_buf().map_err(|e| DataError::file(path, e))?;
        if some.is_empty() {
            return Ok(hexadecimal(hash));
        }
        hash.update(some);
        let read = some.len();
        from.consume(read);
    }
}

/// The SHA-256 of a text, in hexadecimal.
pub fn hash_of(text: &str) -> String {
    hexadecimal(Sha256::new_with_prefix(text))
}

fn hexadecimal(hash: Sha256) -> String {
    let sum = hash.finalize();
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The whole of a small file.
///
/// # Errors
/// What cannot be read, is no plain file or no UTF-8, or is longer than `most` bytes.
pub fn whole(path: &Path, most: u64) -> Result<String, DataError> {
    let mut text = String::new();
    let read = open(path, most)?.take(most).read_to_string(&mut text);
    read.map_err(|e| DataError::file(path, e))?;
    Ok(text)
}

fn open(path: &Path, most: u64) -> Result<File, DataError> {
    let wrong = |what: &dyn ToString| DataError::file(path, what.to_string());
    // Asked before it is opened: a pipe would be waited for. Links are followed, for stores are made of them.
    let found = std::fs::metadata(path).map_err(|e| wrong(&e))?;
    if !found.is_file() {
        return Err(wrong(&"it is not a plain file"));
    }
    if found.len() > most {
        return Err(wrong(&format!("it is longer than {} MiB", most >> 20)));
    }
    File::open(path).map_err(|e| wrong(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(content: &[u8]) -> Result<Vec<(usize, String)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, content).unwrap();
        let mut seen = Vec::new();
        let read = lines(&path, Place::START, &mut |place, text| {
            seen.push((place.line, text.to_owned()));
            Ok(seen.len() < 2)
        });
        read.map(|()| seen).map_err(|e| e.to_string())
    }

    #[test]
    fn lines_keep_their_numbers_and_reading_ends_early() {
        let found = seen("\u{feff}a\r\n\n  \nb\nc".as_bytes()).unwrap();
        assert_eq!(found, [(1, "a".to_owned()), (4, "b".to_owned())]);
        assert!(
            seen(b"a\n\xff\n")
                .unwrap_err()
                .ends_with("a.jsonl, line 2: it is not UTF-8")
        );
        assert!(lines(Path::new("/"), Place::START, &mut |_, _| Ok(true)).is_err());
    }

    #[test]
    fn a_line_is_found_again_by_its_place_and_a_file_by_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, "\u{feff}a\r\n\nä\nc").unwrap();
        let mut all = Vec::new();
        lines(&path, Place::START, &mut |place, text| {
            all.push((place, text.to_owned()));
            Ok(true)
        })
        .unwrap();
        assert_eq!(all.len(), 3);
        for (place, text) in all {
            lines(&path, place, &mut |at, found| {
                assert_eq!((at, found), (place, text.as_str()));
                Ok(false)
            })
            .unwrap();
        }
        std::fs::write(&path, "abc").unwrap();
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash(&path).unwrap(), known);
        assert_eq!(hash_of("abc"), known);
        assert!(hash(folder.path()).is_err());
    }
}
