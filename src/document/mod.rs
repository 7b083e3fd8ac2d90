//! Files, pastes and stdin → text.

mod compose;
pub mod convert;
mod converted;
mod decode;
mod excerpt;
mod html;
mod kind;
mod pdf;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use compose::{Question, compose, framed};
pub use excerpt::Excerpt;

use convert::Format;
use converted::Trouble;
use kind::Kind;

/// Larger files are refused: no model's context comes near.
pub const LIMIT: u64 = 64 * 1024 * 1024;

/// A text, ready to be put before a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// File name without folders, or `stdin`; with the part that was taken.
    pub name: String,
    /// Lines end with `\n`.
    pub text: String,
    /// Size of the source in bytes.
    pub bytes: u64,
    pub lines: usize,
    /// How many pages it has, where it has pages and all were taken.
    pub pages: Option<usize>,
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
    #[error("{name} has {} only, so there is no part {part}", unit(*all, what))]
    Beyond {
        name: String,
        what: &'static str,
        all: usize,
        part: Excerpt,
    },
    #[error(
        "{name} asks for a password; save it without one first, with `qpdf --decrypt` for instance"
    )]
    Locked { name: String },
    #[error("{name} is encrypted in a way that is not known here; save it as another PDF first")]
    Encryption { name: String },
    #[error("{name} is damaged or no PDF that can be read; open it elsewhere and save it anew")]
    Damaged { name: String },
    #[error("{name} cannot be read as a page; save it as plain text first")]
    Page { name: String },
    #[error(
        "{name} holds no text, only images of {}; recognise its text first, with `ocrmypdf IN OUT` \
         for instance",
        unit(*pages, "page")
    )]
    Scanned { name: String, pages: usize },
    #[error(
        "the fonts in {name} do not say which letters they draw; recognise its text first, with \
         `ocrmypdf --force-ocr IN OUT` for instance"
    )]
    Letterless { name: String },
    #[error("{name} {what}; take a part of it, such as {name}#1-10")]
    TooMuch { name: String, what: &'static str },
    #[error("{name} could not be converted: {why}")]
    Helper { name: String, why: String },
}

/// `1 page`, `3 pages`.
fn unit(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Reads a file; `-` is stdin. `PATH#3-7` (or `PATH 3-7`) takes pages of a PDF and lines of
/// everything else, unless a file has that very name.
///
/// # Errors
/// What cannot be read as text is refused and never sent as garbage; each message names the file.
pub fn read(path: &Path) -> Result<Document, DocumentError> {
    let (path, part) = excerpt::split(path);
    if path.as_os_str() == "-" {
        return take("stdin", &bytes_from("stdin", io::stdin().lock())?, part);
    }
    take(&name_of(&path), &bytes_of(&path)?, part)
}

/// The bytes of a file, whatever they are: at most [`LIMIT`].
///
/// # Errors
/// A file that is not there, is a folder, cannot be read or has more.
pub fn bytes_of(path: &Path) -> Result<Vec<u8>, DocumentError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => DocumentError::Missing(path.to_owned()),
        io::ErrorKind::IsADirectory => DocumentError::Folder(path.to_owned()),
        _ => DocumentError::Unreadable {
            name: path.display().to_string(),
            source,
        },
    };
    let data = std::fs::metadata(path).map_err(unreadable)?;
    if data.is_dir() {
        return Err(DocumentError::Folder(path.to_owned()));
    }
    let name = name_of(path);
    // Before reading: a size is known for files, and a disk image should not be loaded to refuse it.
    within(&name, data.len())?;
    bytes_from(&name, std::fs::File::open(path).map_err(unreadable)?)
}

/// The bytes that come from anything, at most [`LIMIT`].
///
/// # Errors
/// What cannot be read, or has more.
pub fn bytes_from(name: &str, source: impl Read) -> Result<Vec<u8>, DocumentError> {
    let mut bytes = Vec::new();
    source
        .take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| DocumentError::Unreadable {
            name: name.to_string(),
            source,
        })?;
    within(name, bytes.len() as u64)?;
    Ok(bytes)
}

fn within(name: &str, bytes: u64) -> Result<(), DocumentError> {
    match bytes > LIMIT {
        true => Err(DocumentError::TooLarge {
            name: name.to_string(),
            bytes,
        }),
        false => Ok(()),
    }
}

/// Without folders.
fn name_of(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.map_or_else(|| path.display().to_string(), |name| name.into_owned())
}

/// Reads from anything, at most [`LIMIT`] bytes.
pub fn read_from(name: &str, source: impl Read) -> Result<Document, DocumentError> {
    from_bytes(name, &bytes_from(name, source)?)
}

/// A document of these bytes.
pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Document, DocumentError> {
    take(name, bytes, None)
}

/// The whole document or a part of it.
fn take(name: &str, bytes: &[u8], part: Option<Excerpt>) -> Result<Document, DocumentError> {
    let named = || name.to_string();
    within(name, bytes.len() as u64)?;
    let binary = |what| DocumentError::Binary {
        name: named(),
        what,
    };
    let troubled = |trouble| trouble_with(name, part, trouble);
    let mut pages = None;
    let text = match kind::of(name, bytes).map_err(binary)? {
        Kind::Text => decode::text(bytes, None).map_err(binary)?,
        Kind::Html => {
            let page = decode::text(bytes, html::declared(bytes)).map_err(binary)?;
            let read =
                convert::convert(Format::Html, page.as_bytes(), None).map_err(|e| match e {
                    Trouble::Damaged => DocumentError::Page { name: named() },
                    other => troubled(other),
                })?;
            read.text
        }
        Kind::Pdf => {
            let read = convert::convert(Format::Pdf, bytes, part).map_err(troubled)?;
            pages = read.pages;
            read.text
        }
    };
    if text.trim().is_empty() {
        return Err(DocumentError::Empty { name: named() });
    }
    let part_of = |part: Excerpt, what: &str, end: usize| {
        let part = part.up_to(end);
        let s = match part.last == Some(part.first) {
            true => "",
            false => "s",
        };
        format!("{name} {what}{s} {part}")
    };
    let (text, name, pages) = match (part, pages) {
        (None, pages) => (text, named(), pages),
        (Some(part), Some(read)) => (text, part_of(part, "page", part.first + read - 1), None),
        (Some(part), None) => {
            let cut = excerpt::lines(&text, part).map_err(|all| DocumentError::Beyond {
                name: named(),
                what: "line",
                all,
                part,
            })?;
            let name = part_of(part, "line", text.lines().count());
            (cut, name, None)
        }
    };
    Ok(Document {
        name,
        lines: text.lines().count(),
        text,
        bytes: bytes.len() as u64,
        pages,
    })
}

fn trouble_with(name: &str, part: Option<Excerpt>, trouble: Trouble) -> DocumentError {
    let name = name.to_string();
    match trouble {
        Trouble::Locked => DocumentError::Locked { name },
        Trouble::Encryption => DocumentError::Encryption { name },
        Trouble::Damaged => DocumentError::Damaged { name },
        Trouble::NoText { pages } => DocumentError::Scanned { name, pages },
        Trouble::Unreadable => DocumentError::Letterless { name },
        Trouble::Beyond { all } => DocumentError::Beyond {
            name,
            what: "page",
            all,
            part: part.unwrap_or(Excerpt {
                first: 1,
                last: None,
            }),
        },
        Trouble::TooMuchText => DocumentError::TooMuch {
            name,
            what: "holds more text than is taken from one file",
        },
        Trouble::TooSlow => DocumentError::TooMuch {
            name,
            what: "took more than a minute to read",
        },
        Trouble::TooMuchMemory => DocumentError::TooMuch {
            name,
            what: "unfolds to more than a gibibyte, as no honest file does",
        },
        Trouble::Helper(why) => DocumentError::Helper { name, why },
    }
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
    fn a_part_is_named_with_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.txt"), "one\ntwo\nthree\n").unwrap();
        let read = |name: &str| read(&folder.path().join(name));
        let part = read("a.txt#2-3").unwrap();
        assert_eq!((part.name.as_str(), part.lines), ("a.txt lines 2-3", 2));
        assert_eq!(part.text, "two\nthree\n");
        assert_eq!(read("a.txt 2").unwrap().name, "a.txt line 2");
        // As much as there is, and no more.
        assert_eq!(read("a.txt#2-99").unwrap().name, "a.txt lines 2-3");
        assert_eq!(read("a.txt#3-99").unwrap().name, "a.txt line 3");
        let pages = ["one", "two", "three"].map(|words| words.repeat(3));
        let pdf = crate::testing::pdf::document(&pages.each_ref().map(String::as_str));
        std::fs::write(folder.path().join("a.pdf"), pdf).unwrap();
        assert_eq!(read("a.pdf#2-99").unwrap().name, "a.pdf pages 2-3");
        let behind = read("a.txt#9-").unwrap_err().to_string();
        assert_eq!(behind, "a.txt has 3 lines only, so there is no part 9-");
    }

    #[test]
    fn a_page_is_read_in_the_encoding_it_declares() {
        let page = b"<html><meta charset=iso-8859-2><h1>\xb9</h1>";
        assert_eq!(from_bytes("a.html", page).unwrap().text.trim(), "# š");
        // What is UTF-8 is UTF-8, whatever it says.
        let page = "<html><meta charset=iso-8859-2><h1>š</h1>".as_bytes();
        assert_eq!(from_bytes("a.html", page).unwrap().text.trim(), "# š");
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
