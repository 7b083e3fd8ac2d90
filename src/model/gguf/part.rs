//! One mapped file: a model, or a part of one.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use super::error::{GgufError, Result};
use super::header::{self, Described, Header};
use super::map;
use super::split::Said;

pub struct Part {
    pub path: PathBuf,
    map: memmap2::Mmap,
    header: Header,
    /// The mapped file, and how it was when it was opened.
    file: File,
    opened: Metadata,
}

impl Part {
    /// Maps the file and reads its header.
    pub fn open(path: &Path) -> Result<Part> {
        let path = path.to_owned();
        let (file, opened) = map::open(&path)?;
        let map = map::map(&file).map_err(|source| GgufError::Io {
            path: path.clone(),
            source,
        })?;
        if !map.starts_with(b"GGUF") {
            return Err(GgufError::NotGguf {
                begins: beginning(&map),
                path,
            });
        }
        let header = header::walk(&map)?;
        Ok(Part {
            path,
            map,
            header,
            file,
            opened,
        })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// See [`map::give_back`].
    pub fn give_back(&self, bytes: std::ops::Range<usize>) {
        map::give_back(&self.map, bytes);
    }

    /// The bytes in front of the tensors' descriptions.
    pub fn metadata(&self) -> &[u8] {
        &self.map[..self.header.tensors_at]
    }

    /// Where the tensors' bytes begin.
    pub fn data(&self) -> u64 {
        self.header.data
    }

    pub fn alignment(&self) -> u64 {
        self.header.alignment
    }

    pub fn said(&self) -> &Said {
        &self.header.split
    }

    /// The tensors' descriptions; they are given away once.
    pub fn take_tensors(&mut self) -> Vec<Described> {
        std::mem::take(&mut self.header.tensors)
    }

    /// [`GgufFile::check_unchanged`](super::GgufFile::check_unchanged), of this file.
    pub fn check_unchanged(&self) -> Result<()> {
        let same = self.file.metadata().is_ok_and(|now| {
            now.len() == self.opened.len() && now.modified().ok() == self.opened.modified().ok()
        });
        match same {
            true => Ok(()),
            false => Err(GgufError::Changed {
                path: self.path.clone(),
            }),
        }
    }
}

/// The first bytes of something that is no GGUF, safe to show.
fn beginning(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(16)];
    match std::str::from_utf8(head) {
        Ok(text) => format!("\"{}\"", text.escape_debug()),
        Err(_) => format!("the bytes \"{}\"", head.escape_ascii()),
    }
}
