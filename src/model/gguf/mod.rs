//! A GGUF model: one file or several parts, memory-mapped and checked from end to end.

mod access;
mod error;
mod fingerprint;
mod header;
mod map;
mod ollama;
mod part;
pub mod quants;
pub mod split;
mod tensors;
#[cfg(test)]
mod tests;
mod types;
mod values;

pub use error::{GgufError, Result};
pub use tensors::TensorInfo;
pub use types::TensorType;

use candle_core::quantized::gguf_file::{Content, Value};
use part::Part;
use std::collections::HashMap;
use std::path::Path;

/// An open model. Its tensors' bytes lie in the maps and are paged in when touched.
pub struct GgufFile {
    /// In order; the first one's metadata count.
    parts: Vec<Part>,
    metadata: HashMap<String, Value>,
    tensors: HashMap<String, TensorInfo>,
}

impl std::fmt::Debug for GgufFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GgufFile")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

impl GgufFile {
    /// Maps the file, and the model's other parts where it is one of several; reads the headers and
    /// checks that every tensor lies inside its file.
    ///
    /// # Errors
    /// A file that is missing, no GGUF, truncated or damaged; never a panic, whatever it holds.
    pub fn open(path: impl AsRef<Path>) -> Result<GgufFile> {
        let mut parts = open_parts(path.as_ref())?;
        let mut tensors = tensors::of_parts(&mut parts)?;
        let mut metadata = read_metadata(parts[0].metadata())?;
        ollama::translate(&mut metadata, &mut tensors);
        Ok(GgufFile {
            parts,
            metadata,
            tensors,
        })
    }

    /// The file, the first where there are several.
    pub fn path(&self) -> &Path {
        &self.parts[0].path
    }

    /// Files that the model is in.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Bytes of all files.
    pub fn file_len(&self) -> u64 {
        self.parts
            .iter()
            .map(|part| part.bytes().len() as u64)
            .sum()
    }

    /// Whether the files are as they were when they were opened. Where one is not (a plain
    /// `cp new old` writes into the old file) its bytes are half of one model and half of another.
    ///
    /// # Errors
    /// [`GgufError::Changed`].
    pub fn check_unchanged(&self) -> Result<()> {
        self.parts.iter().try_for_each(Part::check_unchanged)
    }

    /// `general.architecture`: which decoder the file is for (`llama`, `qwen2`, …).
    pub fn architecture(&self) -> Result<&str> {
        self.str("general.architecture")
    }
}

/// The file at `path`, and the others of its model.
fn open_parts(path: &Path) -> Result<Vec<Part>> {
    let given = Part::open(path)?;
    let paths = split::all_of(path, given.said())?;
    if paths.len() == 1 {
        return Ok(vec![given]);
    }
    let count = paths.len();
    let mut parts = Vec::with_capacity(count);
    let mut given = Some(given);
    for (index, path) in paths.iter().enumerate() {
        let part = match given.take_if(|given| given.path == *path) {
            Some(given) => given,
            None => Part::open(path).map_err(|error| match error {
                GgufError::Missing { path } => {
                    let no = index + 1;
                    GgufError::NoPart { path, no, count }
                }
                error => error.in_file(path),
            })?,
        };
        split::check_place(path, part.said(), index, count)?;
        parts.push(part);
    }
    Ok(parts)
}

/// The values of a header that was walked, without its tensors, some of whose types candle's reader
/// does not know.
fn read_metadata(header: &[u8]) -> Result<HashMap<String, Value>> {
    let mut header = header.to_vec();
    // The number of tensors stands behind magic and version, in 4 bytes of version 1, else in 8.
    let wide = header.get(4).is_some_and(|version| *version != 1);
    if let Some(tensors) = header.get_mut(8..if wide { 16 } else { 12 }) {
        tensors.fill(0);
    }
    Ok(Content::read(&mut std::io::Cursor::new(header))?.metadata)
}
