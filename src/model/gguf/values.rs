//! Metadata, with messages that name what is missing or of the wrong type.

use candle_core::quantized::gguf_file::Value;

use super::GgufFile;
use super::error::{GgufError, Result};

impl GgufFile {
    /// A metadata value, if the file has it.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
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
