//! A walk over a GGUF header that trusts nothing. It reads the tensors' descriptions, and is made
//! before candle's reader builds values from the metadata: after the walk, lengths fit the file,
//! counts are reasonable and types are known, so that the reader can neither panic nor allocate
//! beyond reason, and errors name what is broken.

use super::error::{GgufError, Result, damaged};
use super::split::Said;
use super::types::{TensorType, name_of_other};
use std::collections::HashSet;

/// Array elements in the whole header. A vocabulary of 256k tokens needs about a million;
/// candle holds each in some 32 bytes.
const MAX_ELEMENTS: u64 = 1 << 23;
const MAX_KEYS: u64 = 1 << 16;
pub(super) const MAX_TENSORS: u64 = 1 << 18;
const MAX_NAME: u64 = 1 << 10;
/// Bytes in front of the tensors' own: what the header holds is copied, some of it twice. A vocabulary
/// of 256k tokens with its merges takes 16 MiB.
const MAX_HEADER: u64 = 128 << 20;
const MAX_DEPTH: u32 = 4;
const MAX_DIMS: u32 = 4;
/// Tensor data is read in place, so it must be aligned for the widest scalar of a block.
const ALIGNMENTS: std::ops::RangeInclusive<u64> = 8..=1 << 20;

/// What the walk learned.
#[derive(Debug, PartialEq)]
pub struct Header {
    /// Tensor data begins at a multiple of this, and so does every tensor.
    pub alignment: u64,
    /// Where the tensors' descriptions begin, behind the metadata.
    pub tensors_at: usize,
    /// Where the tensors' bytes begin.
    pub data: u64,
    pub tensors: Vec<Described>,
    /// Where the file stands among the parts of a model.
    pub split: Said,
}

/// A tensor as the header describes it.
#[derive(Debug, PartialEq)]
pub struct Described {
    pub name: String,
    pub dtype: TensorType,
    /// Row-major, `[rows, cols]`.
    pub dims: Vec<usize>,
    /// From where the tensors' bytes begin.
    pub offset: u64,
}

/// Checks `file` from its magic to the last tensor's description.
pub fn walk(file: &[u8]) -> Result<Header> {
    let mut at = Walk {
        file,
        pos: 4,
        wide: true,
        elements: 0,
    };
    let version = at.u32("the version")?;
    match version {
        1 => at.wide = false,
        2 | 3 => {}
        v => {
            let note = if v.swap_bytes() <= 3 {
                " in big-endian byte order, which is not supported"
            } else {
                ", which is not supported"
            };
            return Err(GgufError::Version { version: v, note });
        }
    }
    let tensors = at.len("the number of tensors")?;
    let keys = at.len("the number of metadata entries")?;
    if tensors > MAX_TENSORS {
        return damaged(format!("it declares {tensors} tensors"));
    }
    if keys > MAX_KEYS {
        return damaged(format!("it declares {keys} metadata entries"));
    }
    let mut alignment = candle_core::quantized::gguf_file::DEFAULT_ALIGNMENT;
    let mut split = Said::default();
    let mut seen = HashSet::new();
    for i in 0..keys {
        let key = at.name(&format!("metadata entry {} of {keys}", i + 1))?;
        if !seen.insert(key) {
            return damaged(format!("the metadata {} occurs twice", show(key)));
        }
        let kind = at.u32(&show(key))?;
        let value = at.pos;
        at.value(kind, 0, &show(key))?;
        if key == b"general.alignment" {
            alignment = integer(&file[value..at.pos], kind).unwrap_or(0);
            if !alignment.is_power_of_two() || !ALIGNMENTS.contains(&alignment) {
                return damaged("general.alignment is not a usable power of two");
            }
        }
        let number = || integer(&file[value..at.pos], kind);
        match key {
            b"split.no" => split.no = number(),
            b"split.count" => split.count = number(),
            b"split.tensors.count" => split.tensors = number(),
            _ => {}
        }
    }
    let tensors_at = at.pos;
    seen.clear();
    let mut described = Vec::new();
    for i in 0..tensors {
        let name = at.name(&format!("the description of tensor {} of {tensors}", i + 1))?;
        if !seen.insert(name) {
            return damaged(format!("the tensor {} occurs twice", show(name)));
        }
        described.push(at.tensor(name)?);
    }
    Ok(Header {
        alignment,
        tensors_at,
        data: (at.pos as u64).next_multiple_of(alignment),
        tensors: described,
        split,
    })
}

struct Walk<'a> {
    file: &'a [u8],
    pos: usize,
    /// Lengths are u64 (version 2 on) or u32 (version 1).
    wide: bool,
    /// Array elements so far.
    elements: u64,
}

impl<'a> Walk<'a> {
    fn take(&mut self, bytes: u64, what: &str) -> Result<&'a [u8]> {
        let start = self.pos as u64;
        let end = start.saturating_add(bytes);
        if end > self.file.len() as u64 {
            return Err(GgufError::Truncated {
                what: what.to_owned(),
                start,
                end,
                len: self.file.len() as u64,
            });
        }
        if end > MAX_HEADER {
            let most = MAX_HEADER >> 20;
            return damaged(format!(
                "{what} ends behind its first {most} MiB, where no model's does"
            ));
        }
        let taken = &self.file[self.pos..end as usize];
        self.pos = end as usize;
        Ok(taken)
    }

    fn u32(&mut self, what: &str) -> Result<u32> {
        Ok(self
            .take(4, what)?
            .iter()
            .rev()
            .fold(0, |n, b| (n << 8) | u32::from(*b)))
    }

    fn u64(&mut self, what: &str) -> Result<u64> {
        Ok(self
            .take(8, what)?
            .iter()
            .rev()
            .fold(0, |n, b| (n << 8) | u64::from(*b)))
    }

    fn len(&mut self, what: &str) -> Result<u64> {
        if self.wide {
            self.u64(what)
        } else {
            Ok(u64::from(self.u32(what)?))
        }
    }

    /// A key or a tensor's name. Trailing NULs go, as candle's reader drops them too.
    fn name(&mut self, what: &str) -> Result<&'a [u8]> {
        let len = self.len(what)?;
        if len > MAX_NAME {
            return damaged(format!("{what} has a name of {len} bytes"));
        }
        let mut name = self.take(len, what)?;
        while let [rest @ .., 0] = name {
            name = rest;
        }
        Ok(name)
    }

    /// `key` as shown in errors; made once, as vocabularies have 100k strings.
    fn value(&mut self, kind: u32, depth: u32, key: &str) -> Result<()> {
        match kind {
            7 => {
                if self.take(1, key)?[0] > 1 {
                    return damaged(format!("{key} is neither true nor false"));
                }
            }
            8 => {
                let len = self.len(key)?;
                self.take(len, key)?;
            }
            9 => {
                let of = self.u32(key)?;
                let len = self.len(key)?;
                self.elements = self.elements.saturating_add(len);
                if self.elements > MAX_ELEMENTS {
                    return damaged(format!("{key} declares {len} elements"));
                }
                if depth >= MAX_DEPTH {
                    return damaged(format!("{key} is nested too deep"));
                }
                match width(of) {
                    Some(bytes) if of != 7 => {
                        self.take(len * bytes, key)?;
                    }
                    _ if of <= 12 => {
                        for _ in 0..len {
                            self.value(of, depth + 1, key)?;
                        }
                    }
                    _ => return damaged(format!("{key} is of unknown type {of}")),
                }
            }
            kind => match width(kind) {
                Some(bytes) => {
                    self.take(bytes, key)?;
                }
                None => return damaged(format!("{key} is of unknown type {kind}")),
            },
        }
        Ok(())
    }

    fn tensor(&mut self, name: &[u8]) -> Result<Described> {
        let shown = &show(name);
        let what = format!("the description of tensor {shown}");
        let count = self.u32(&what)?;
        if count > MAX_DIMS {
            return damaged(format!("the tensor {shown} has {count} dimensions"));
        }
        let mut dims = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let dim = self.len(&what)?;
            dims.push(usize::try_from(dim).unwrap_or(usize::MAX));
        }
        // The file has the columns first.
        dims.reverse();
        let kind = self.u32(&what)?;
        let unknown = || GgufError::TensorType {
            name: shown.clone(),
            kind: name_of_other(kind),
        };
        Ok(Described {
            name: String::from_utf8_lossy(name).into_owned(),
            dtype: TensorType::from_id(kind).ok_or_else(unknown)?,
            dims,
            offset: self.u64(&what)?,
        })
    }
}

/// Bytes of one scalar of metadata type `kind`; `None` for strings, arrays and unknown types.
fn width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// The value of an integer of a type that candle's reader accepts for the alignment; others leave
/// candle at its default, which the caller must not mistake for the file's wish.
fn integer(bytes: &[u8], kind: u32) -> Option<u64> {
    matches!(kind, 0..=5).then(|| bytes.iter().rev().fold(0, |n, b| (n << 8) | u64::from(*b)))
}

/// A name of the file, safe to show.
fn show(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}
