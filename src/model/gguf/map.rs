//! The map of a model's file.

#![allow(unsafe_code, reason = "maps the model file")]

use std::fs::{File, Metadata};
use std::path::Path;

use super::error::{GgufError, Result};
use crate::heap;

/// Opens a plain file that holds something, and says how it is.
pub fn open(path: &Path) -> Result<(File, Metadata)> {
    let io = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => GgufError::Missing {
            path: path.to_owned(),
        },
        _ => GgufError::Io {
            path: path.to_owned(),
            source,
        },
    };
    // Looked at before it is opened: opening a named pipe would wait for ever.
    let kind = std::fs::metadata(path).map_err(io)?;
    if !kind.is_file() {
        return Err(GgufError::NotAFile {
            path: path.to_owned(),
            hint: gguf_inside(path),
        });
    }
    let file = File::open(path).map_err(io)?;
    let opened = file.metadata().map_err(io)?;
    if opened.len() == 0 {
        return Err(GgufError::Empty {
            path: path.to_owned(),
        });
    }
    Ok((file, opened))
}

/// Its bytes, paged in when they are touched.
pub fn map(file: &File) -> std::io::Result<memmap2::Mmap> {
    // SAFETY: the map is only ever read, as bytes and as plain-old-data blocks for which every
    // bit pattern is valid. Another program that cuts the file while it is mapped ends this
    // process with a bus error (`bus.rs` says so); nothing can prevent that short of copying the file.
    unsafe { memmap2::Mmap::map(file) }
}

/// The memory of some of its bytes goes back to the system, and comes from the file again.
pub fn give_back(map: &memmap2::Mmap, bytes: std::ops::Range<usize>) {
    // SAFETY: such a map as above.
    unsafe { heap::give_back_pages(map, bytes.start, bytes.len()) };
}

/// For a folder given as model: the first model file in it.
fn gguf_inside(folder: &Path) -> String {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return String::new();
    };
    let paths = entries.take(4096).flatten().map(|entry| entry.path());
    let found = paths
        .filter(|path| path.extension().is_some_and(|e| e == "gguf"))
        .min();
    found.map_or_else(String::new, |path| {
        format!(", for example {}", path.display())
    })
}
