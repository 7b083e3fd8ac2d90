//! Is a file what it should be, byte for byte?

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::Progress;

/// Size and SHA-256 of what went through.
pub struct Seen {
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// Copies `from` to `to`, reporting as it goes.
pub fn copy(
    mut from: impl Read,
    mut to: impl Write,
    what: &str,
    total: Option<u64>,
    progress: &mut dyn FnMut(Progress),
) -> io::Result<Seen> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
        bytes += read as u64;
        progress(Progress {
            what: what.to_string(),
            done: bytes,
            total,
        });
    }
    to.flush()?;
    let sha256 = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(Seen { bytes, sha256 })
}

/// Reads a whole file for its size and hash.
pub fn file(path: &Path, what: &str, progress: &mut dyn FnMut(Progress)) -> io::Result<Seen> {
    let file = File::open(path)?;
    let total = file.metadata()?.len();
    copy(file, io::sink(), what, Some(total), progress)
}

/// What is wrong with a file that should have this size and hash; `None` = nothing.
pub fn problem(seen: &Seen, bytes: Option<u64>, sha256: Option<&str>) -> Option<String> {
    if let Some(bytes) = bytes.filter(|bytes| *bytes != seen.bytes) {
        return Some(format!("it has {} bytes, not {bytes}", seen.bytes));
    }
    let sha256 = sha256.filter(|sha256| !sha256.eq_ignore_ascii_case(&seen.sha256))?;
    Some(format!("its SHA-256 is {}, not {sha256}", seen.sha256))
}
