//! The lines of a file, one at a time and none too long.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::DataError;

/// Bytes of a row; LongBench's longest have about a million.
const MOST_OF_A_LINE: u64 = 64 << 20;
/// Bytes of a file.
const MOST_OF_A_FILE: u64 = 8 << 30;

/// Shows every line that is not empty, with its number from 1 on, until `take` has enough.
///
/// # Errors
/// What cannot be read, is no plain file or no UTF-8, is too long; and `take`'s own.
pub fn lines(
    path: &Path,
    take: &mut dyn FnMut(usize, &str) -> Result<bool, DataError>,
) -> Result<(), DataError> {
    let mut from = BufReader::new(open(path, MOST_OF_A_FILE)?);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let mut bounded = (&mut from).take(MOST_OF_A_LINE + 1);
        let read = bounded.read_until(b'\n', &mut bytes);
        let read = read.map_err(|e| DataError::file(path, e))?;
        if read == 0 {
            return Ok(());
        }
        if bytes.len() as u64 > MOST_OF_A_LINE {
            let what = format!("the line is longer than {} MiB", MOST_OF_A_LINE >> 20);
            return Err(DataError::row(path, line, what));
        }
        let text = std::str::from_utf8(&bytes);
        let text = text.map_err(|_| DataError::row(path, line, "it is not UTF-8".into()))?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if !text.is_empty() && !take(line, text)? {
            return Ok(());
        }
    }
    Ok(())
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
        let read = lines(&path, &mut |line, text| {
            seen.push((line, text.to_owned()));
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
        assert!(lines(Path::new("/"), &mut |_, _| Ok(true)).is_err());
    }
}
