//! Files, pastes and stdin → text.

mod compose;
mod decode;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use compose::{Question, compose, framed};

/// Larger files are refused: no model's context comes near.
pub const LIMIT: u64 = 64 * 1024 * 1024;

/// A text, ready to be put before a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// File name without folders, or `stdin`.
    pub name: String,
    /// Lines end with `\n`.
    pub text: String,
    /// Size of the source in bytes.
    pub bytes: u64,
    pub lines: usize,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("there is no file {}", .0.display())]
    Missing(PathBuf),
    #[error("{} is a folder; name a file in it", .0.display())]
    Folder(PathBuf),
    #[error("cannot read {name}: {source}")]
    Unreadable { name: String, source: io::Error },
    #[error(
        "{name} is too large: {:.1} MiB, and at most {} MiB are read; take a part of it",
        *bytes as f64 / 1_048_576.0,
        LIMIT / 1_048_576
    )]
    TooLarge { name: String, bytes: u64 },
    #[error("{name} is no text: it {what}")]
    Binary { name: String, what: &'static str },
    #[error("{name} is empty")]
    Empty { name: String },
}

/// Reads a file; `-` is stdin.
///
/// # Errors
/// What cannot be read as text is refused and never sent as garbage; each message names the file.
pub fn read(path: &Path) -> Result<Document, DocumentError> {
    if path.as_os_str() == "-" {
        return read_from("stdin", io::stdin().lock());
    }
    let name = path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => DocumentError::Missing(path.to_path_buf()),
        io::ErrorKind::IsADirectory => DocumentError::Folder(path.to_path_buf()),
        _ => DocumentError::Unreadable {
            name: path.display().to_string(),
            source,
        },
    };
    let data = std::fs::metadata(path).map_err(unreadable)?;
    if data.is_dir() {
        return Err(DocumentError::Folder(path.to_path_buf()));
    }
    // Before reading: a size is known for files, and a disk image should not be loaded to refuse it.
    if data.len() > LIMIT {
        return Err(DocumentError::TooLarge {
            name,
            bytes: data.len(),
        });
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    read_from(&name, file)
}

/// Reads from anything, at most [`LIMIT`] bytes.
pub fn read_from(name: &str, source: impl Read) -> Result<Document, DocumentError> {
    let mut bytes = Vec::new();
    source
        .take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| DocumentError::Unreadable {
            name: name.to_string(),
            source,
        })?;
    from_bytes(name, &bytes)
}

/// A document of these bytes.
pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Document, DocumentError> {
    let name = name.to_string();
    if bytes.len() as u64 > LIMIT {
        return Err(DocumentError::TooLarge {
            name,
            bytes: bytes.len() as u64,
        });
    }
    let text = match decode::text(bytes) {
        Ok(text) => text,
        Err(what) => return Err(DocumentError::Binary { name, what }),
    };
    if text.trim().is_empty() {
        return Err(DocumentError::Empty { name });
    }
    Ok(Document {
        name,
        lines: text.lines().count(),
        text,
        bytes: bytes.len() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_people_count() {
        let document = from_bytes("a.txt", "one\r\ntwo\rthree".as_bytes()).unwrap();
        assert_eq!(document.text, "one\ntwo\nthree");
        assert_eq!((document.bytes, document.lines), (14, 3));
    }

    #[test]
    fn refusals_name_the_file_and_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let missing = read(&folder.path().join("no.txt")).unwrap_err();
        assert!(missing.to_string().contains("no.txt"));
        let directory = read(folder.path()).unwrap_err();
        assert!(matches!(directory, DocumentError::Folder(_)));
        let large = folder.path().join("large.txt");
        std::fs::File::create(&large)
            .and_then(|file| file.set_len(LIMIT + 1024 * 1024))
            .unwrap();
        let message = read(&large).unwrap_err().to_string();
        assert!(message.contains("65.0 MiB"), "{message}");
        let empty = read_from("stdin", &b" \n"[..]).unwrap_err();
        assert!(matches!(empty, DocumentError::Empty { .. }));
        // What grows while it is read is refused as well.
        let endless = read_from("stdin", io::repeat(b'a')).unwrap_err();
        assert!(matches!(endless, DocumentError::TooLarge { .. }));
    }
}
