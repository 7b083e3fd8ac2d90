//! A file's numbers under its architecture's name: `llama.block_count`, `gemma3.block_count`.

use super::{
    error::{ModelError, Result},
    gguf::GgufFile,
};

/// The keys of one architecture.
pub struct Keys<'a> {
    pub file: &'a GgufFile,
    architecture: &'a str,
}

impl<'a> Keys<'a> {
    pub fn new(file: &'a GgufFile, architecture: &'a str) -> Self {
        Keys { file, architecture }
    }

    fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    pub fn size(&self, key: &str) -> Result<usize> {
        Ok(self.file.u32(&self.name(key))? as usize)
    }

    pub fn optional(&self, key: &str) -> Result<Option<usize>> {
        let size = self.file.get_u32(&self.name(key))?;
        Ok(size.map(|x| x as usize))
    }

    /// As [`Keys::optional`]; 0 stands for "not so".
    pub fn positive(&self, key: &str) -> Result<Option<usize>> {
        Ok(self.optional(key)?.filter(|n| *n > 0))
    }

    pub fn float(&self, key: &str) -> Result<Option<f32>> {
        Ok(self.file.get_f32(&self.name(key))?)
    }

    /// As [`Keys::float`]; 0 stands for "not so".
    pub fn factor(&self, key: &str) -> Result<Option<f32>> {
        Ok(self.float(key)?.filter(|x| *x != 0.0))
    }

    pub fn text(&self, key: &str) -> Result<Option<&'a str>> {
        Ok(self.file.get_str(&self.name(key))?)
    }

    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        Ok(self.file.get_bool(&self.name(key))?)
    }

    /// One number for each of `layers` layers, or one for all of them.
    pub fn each(&self, key: &str, layers: usize) -> Result<Option<Vec<usize>>> {
        match self.list(key)? {
            Some(list) if list.len() < layers => Err(ModelError::Description(format!(
                "its {key} has {} of {layers} numbers",
                list.len()
            ))),
            Some(list) => Ok(Some(list[..layers].to_vec())),
            None => Ok(self.optional(key)?.map(|one| vec![one; layers])),
        }
    }

    /// A list of sizes or of flags; `None` where there is none, or something else than a list.
    pub fn list(&self, key: &str) -> Result<Option<Vec<usize>>> {
        use candle_core::quantized::gguf_file::Value;
        let name = self.name(key);
        match self.file.value(&name) {
            Some(Value::Array(list)) if matches!(list.first(), Some(Value::Bool(_))) => {
                let flag = |value: &Value| usize::from(matches!(value, Value::Bool(true)));
                Ok(Some(list.iter().map(flag).collect()))
            }
            Some(Value::Array(_)) => {
                let list = self.file.get_i64s(&name)?.unwrap_or_default();
                let size = |x: i64| usize::try_from(x).unwrap_or(0);
                Ok(Some(list.into_iter().map(size).collect()))
            }
            _ => Ok(None),
        }
    }
}
