//! A GGUF model file: memory-mapped, checked from end to end, read by candle's own reader.

mod error;
mod fingerprint;
mod header;
mod map;
#[cfg(test)]
mod tests;

pub use error::{GgufError, Result};

use candle_core::quantized::gguf_file::{Content, TensorInfo, Value};
use candle_core::quantized::{GgmlDType, QTensor, ggml_file::qtensor_from_ggml};
use candle_core::{Device, Shape};
use std::fs::{File, Metadata};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// An open GGUF file. Its tensors' bytes lie in the map and are paged in when touched.
pub struct GgufFile {
    path: PathBuf,
    map: memmap2::Mmap,
    content: Content,
    /// The mapped file, and how it was when it was opened.
    file: File,
    opened: Metadata,
}

impl std::fmt::Debug for GgufFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GgufFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl GgufFile {
    /// Maps the file, reads its header and checks that every tensor lies inside it.
    ///
    /// # Errors
    /// A file that is missing, no GGUF, truncated or damaged; never a panic, whatever it holds.
    pub fn open(path: impl AsRef<Path>) -> Result<GgufFile> {
        let path = path.as_ref().to_owned();
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
        let content = Content::read(&mut std::io::Cursor::new(&map[..]))?;
        let file = GgufFile {
            path,
            map,
            content,
            file,
            opened,
        };
        file.check_tensors(header.alignment)?;
        Ok(file)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the whole file.
    pub fn file_len(&self) -> u64 {
        self.map.len() as u64
    }

    /// Bytes of all tensors.
    pub fn tensor_bytes(&self) -> u64 {
        let bytes = |name: &String| self.range(name).map_or(0, |r| r.len() as u64);
        self.content.tensor_infos.keys().map(bytes).sum()
    }

    /// What candle's reader made of the header.
    pub fn content(&self) -> &Content {
        &self.content
    }

    pub fn has_tensor(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    /// Shape (row-major, `[rows, cols]`), type and offset of a tensor.
    pub fn tensor_info(&self, name: &str) -> Result<&TensorInfo> {
        let missing = || GgufError::NoTensor {
            name: name.to_owned(),
        };
        self.content.tensor_infos.get(name).ok_or_else(missing)
    }

    /// Whether the file is as it was when it was opened. Where it is not (a plain `cp new old` writes
    /// into the old file) its bytes are half of one model and half of another.
    ///
    /// # Errors
    /// [`GgufError::Changed`].
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

    /// Type, dimensions (row-major, `[rows, cols]`) and bytes of a tensor, in place; for as long as
    /// nobody changes the file.
    pub fn tensor_data(&self, name: &str) -> Result<(GgmlDType, Vec<usize>, &[u8])> {
        self.check_unchanged()?;
        let info = self.tensor_info(name)?;
        let bytes = &self.map[self.range(name)?];
        Ok((info.ggml_dtype, info.shape.dims().to_vec(), bytes))
    }

    /// A copy of the tensor on a device, in its own quantisation.
    pub fn qtensor(&self, name: &str, device: &Device) -> Result<QTensor> {
        let (dtype, dims, bytes) = self.tensor_data(name)?;
        Ok(qtensor_from_ggml(dtype, bytes, dims, device)?)
    }

    /// Where a tensor's bytes lie in the file, inside its bounds.
    fn range(&self, name: &str) -> Result<Range<usize>> {
        let info = self.tensor_info(name)?;
        let Some(bytes) = byte_size(&info.shape, info.ggml_dtype) else {
            return error::damaged(format!(
                "the tensor {} has impossible dimensions {:?} for {:?}",
                name.escape_debug(),
                info.shape.dims(),
                info.ggml_dtype
            ));
        };
        let start = self.content.tensor_data_offset.saturating_add(info.offset);
        let end = start.saturating_add(bytes);
        if end > self.file_len() {
            return Err(GgufError::Truncated {
                what: format!("tensor {}", name.escape_debug()),
                start,
                end,
                len: self.file_len(),
            });
        }
        Ok(start as usize..end as usize)
    }

    fn check_tensors(&self, alignment: u64) -> Result<()> {
        let mut names: Vec<_> = self.content.tensor_infos.iter().collect();
        names.sort_by_key(|(name, info)| (info.offset, name.as_str()));
        let mut end = 0;
        let mut before = "";
        for (name, info) in names {
            let range = self.range(name)?;
            let shown = name.escape_debug();
            if !info.offset.is_multiple_of(alignment) {
                return error::damaged(format!(
                    "the tensor {shown} is not aligned to {alignment} bytes"
                ));
            }
            if range.start < end {
                return error::damaged(format!(
                    "the tensors {} and {shown} overlap",
                    before.escape_debug()
                ));
            }
            end = range.end;
            before = name;
        }
        Ok(())
    }

    /// A metadata value, if the file has it.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.content.metadata.get(key)
    }

    fn required<T>(&self, key: &str, found: Option<T>) -> Result<T> {
        found.ok_or_else(|| GgufError::NoKey {
            key: key.to_owned(),
        })
    }

    /// An unsigned integer of any width; `None` when the file has no such key.
    pub fn get_u64(&self, key: &str) -> Result<Option<u64>> {
        self.value(key).map(|value| as_u64(key, value)).transpose()
    }

    pub fn u64(&self, key: &str) -> Result<u64> {
        self.required(key, self.get_u64(key)?)
    }

    /// As [`GgufFile::get_u64`], for counts, sizes and token ids.
    pub fn get_u32(&self, key: &str) -> Result<Option<u32>> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let wide = as_u64(key, value)?;
        Ok(Some(
            u32::try_from(wide).map_err(|_| mismatch(key, "a 32-bit number", value))?,
        ))
    }

    pub fn u32(&self, key: &str) -> Result<u32> {
        self.required(key, self.get_u32(key)?)
    }

    pub fn get_f32(&self, key: &str) -> Result<Option<f32>> {
        self.value(key)
            .map(|value| match value {
                Value::F32(v) => Ok(*v),
                Value::F64(v) => Ok(*v as f32),
                other => Err(mismatch(key, "a number with a fraction", other)),
            })
            .transpose()
    }

    pub fn f32(&self, key: &str) -> Result<f32> {
        self.required(key, self.get_f32(key)?)
    }

    pub fn get_bool(&self, key: &str) -> Result<Option<bool>> {
        self.value(key)
            .map(|value| match value {
                Value::Bool(v) => Ok(*v),
                other => Err(mismatch(key, "true or false", other)),
            })
            .transpose()
    }

    pub fn get_str(&self, key: &str) -> Result<Option<&str>> {
        self.value(key)
            .map(|value| match value {
                Value::String(v) => Ok(v.as_str()),
                other => Err(mismatch(key, "a text", other)),
            })
            .transpose()
    }

    pub fn str(&self, key: &str) -> Result<&str> {
        self.required(key, self.get_str(key)?)
    }

    pub fn get_array(&self, key: &str) -> Result<Option<&[Value]>> {
        self.value(key)
            .map(|value| match value {
                Value::Array(v) => Ok(v.as_slice()),
                other => Err(mismatch(key, "a list", other)),
            })
            .transpose()
    }

    /// A list of texts.
    pub fn get_strs(&self, key: &str) -> Result<Option<Vec<&str>>> {
        let Some(array) = self.get_array(key)? else {
            return Ok(None);
        };
        let text = |value: &'_ Value| match value {
            Value::String(_) => Ok(()),
            other => Err(mismatch(key, "a list of texts", other)),
        };
        array.iter().try_for_each(text)?;
        let texts = array.iter().filter_map(|value| match value {
            Value::String(v) => Some(v.as_str()),
            _ => None,
        });
        Ok(Some(texts.collect()))
    }

    pub fn strs(&self, key: &str) -> Result<Vec<&str>> {
        self.required(key, self.get_strs(key)?)
    }

    /// A list of whole numbers.
    pub fn get_i64s(&self, key: &str) -> Result<Option<Vec<i64>>> {
        let Some(array) = self.get_array(key)? else {
            return Ok(None);
        };
        let number = |value: &Value| match value {
            Value::U8(v) => Ok(i64::from(*v)),
            Value::I8(v) => Ok(i64::from(*v)),
            Value::U16(v) => Ok(i64::from(*v)),
            Value::I16(v) => Ok(i64::from(*v)),
            Value::U32(v) => Ok(i64::from(*v)),
            Value::I32(v) => Ok(i64::from(*v)),
            Value::I64(v) => Ok(*v),
            other => Err(mismatch(key, "a list of whole numbers", other)),
        };
        array
            .iter()
            .map(number)
            .collect::<Result<Vec<_>>>()
            .map(Some)
    }

    /// A list of numbers with fractions.
    pub fn get_f32s(&self, key: &str) -> Result<Option<Vec<f32>>> {
        let Some(array) = self.get_array(key)? else {
            return Ok(None);
        };
        let number = |value: &Value| match value {
            Value::F32(v) => Ok(*v),
            Value::F64(v) => Ok(*v as f32),
            other => Err(mismatch(key, "a list of numbers", other)),
        };
        array
            .iter()
            .map(number)
            .collect::<Result<Vec<_>>>()
            .map(Some)
    }

    /// `general.architecture`: which decoder the file is for (`llama`, `qwen2`, …).
    pub fn architecture(&self) -> Result<&str> {
        self.str("general.architecture")
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

/// Bytes that a tensor takes; `None` when its rows do not hold whole blocks or it overflows.
fn byte_size(shape: &Shape, dtype: GgmlDType) -> Option<u64> {
    let dims = shape.dims();
    let row = dims.last().copied().unwrap_or(1);
    if dims.contains(&0) || !row.is_multiple_of(dtype.block_size()) {
        return None;
    }
    let elements = dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d))?;
    let bytes = (elements / dtype.block_size()).checked_mul(dtype.type_size())?;
    // Slices and offsets are signed inside.
    (bytes <= isize::MAX as usize && elements <= isize::MAX as usize).then_some(bytes as u64)
}

fn as_u64(key: &str, value: &Value) -> Result<u64> {
    let signed = |v: i64| u64::try_from(v).map_err(|_| mismatch(key, "a number from 0", value));
    match value {
        Value::U8(v) => Ok(u64::from(*v)),
        Value::U16(v) => Ok(u64::from(*v)),
        Value::U32(v) => Ok(u64::from(*v)),
        Value::U64(v) => Ok(*v),
        Value::I8(v) => signed(i64::from(*v)),
        Value::I16(v) => signed(i64::from(*v)),
        Value::I32(v) => signed(i64::from(*v)),
        Value::I64(v) => signed(*v),
        other => Err(mismatch(key, "a whole number", other)),
    }
}

fn mismatch(key: &str, wanted: &'static str, found: &Value) -> GgufError {
    let found = match found {
        Value::Array(v) => format!("a list of {}", v.len()),
        Value::String(v) => {
            let head: String = v.chars().take(40).collect();
            format!("the text \"{}\"", head.escape_debug())
        }
        scalar => format!("{scalar:?}"),
    };
    GgufError::KeyType {
        key: key.to_owned(),
        wanted,
        found,
    }
}
