//! A row's fields, each with a word on what is wrong with it.

use serde_json::{Map, Value};

/// One JSON object.
pub struct Row(Map<String, Value>);

/// What is wrong, without the place.
pub type Wrong = String;

impl Row {
    /// # Errors
    /// What is no JSON object.
    pub fn parse(line: &str) -> Result<Row, Wrong> {
        match serde_json::from_str(line) {
            Ok(Value::Object(fields)) => Ok(Row(fields)),
            Ok(_) => Err("a row is a JSON object".into()),
            Err(error) => Err(format!(
                "it is no JSON: {error} (texts of your own are given by --text)"
            )),
        }
    }

    /// Whether it has all of these.
    pub fn has(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.0.contains_key(*name))
    }

    /// The names of its fields, for an error.
    pub fn fields(&self) -> String {
        let names: Vec<&str> = self.0.keys().take(20).map(String::as_str).collect();
        match names.is_empty() {
            true => "none".into(),
            false => cut(&names.join(", ")),
        }
    }

    fn get(&self, name: &str) -> Result<&Value, Wrong> {
        let found = self.0.get(name).filter(|value| !value.is_null());
        found.ok_or_else(|| format!("`{name}` is missing"))
    }

    pub fn text(&self, name: &str) -> Result<&str, Wrong> {
        let value = self.get(name)?.as_str();
        value.ok_or_else(|| format!("`{name}` is not a text"))
    }

    /// The text where there is one.
    pub fn text_or<'a>(&'a self, name: &str, other: &'a str) -> Result<&'a str, Wrong> {
        match self.get(name) {
            Ok(_) => self.text(name),
            Err(_) => Ok(other),
        }
    }

    /// A text or a number that names something.
    pub fn name(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    pub fn number(&self, name: &str) -> Result<Option<usize>, Wrong> {
        let Ok(value) = self.get(name) else {
            return Ok(None);
        };
        let number = value.as_u64().and_then(|n| usize::try_from(n).ok());
        let number = number.ok_or_else(|| format!("`{name}` is not a whole number"));
        number.map(Some)
    }

    /// Texts, one at least.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, Wrong> {
        texts(self.get(name)?, name)
    }

    /// Texts, none where the field is missing or null.
    pub fn texts_or_none(&self, name: &str) -> Result<Vec<String>, Wrong> {
        match self.get(name) {
            Ok(_) => self.texts(name),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// `count` lists of texts; a text alone is a list of one.
    pub fn lists(&self, name: &str, count: usize) -> Result<Vec<Vec<String>>, Wrong> {
        let wrong = || format!("`{name}` is not a list with one entry per question");
        let all = self.get(name)?.as_array().ok_or_else(wrong)?;
        if all.len() != count {
            return Err(format!(
                "`{name}` has {} entries for {count} questions",
                all.len()
            ));
        }
        let lists = all.iter().map(|value| match value {
            Value::Array(_) => texts(value, name),
            value => Ok(vec![said(value, name)?]),
        });
        lists.collect()
    }

    /// Texts for all questions, or a list of texts for each; none where the field is missing or null.
    pub fn lists_or_one(&self, name: &str, count: usize) -> Result<Vec<Vec<String>>, Wrong> {
        match self.get(name) {
            Err(_) => Ok(vec![Vec::new(); count]),
            Ok(Value::Array(all)) if all.iter().any(Value::is_array) => self.lists(name, count),
            Ok(_) => Ok(vec![self.texts(name)?; count]),
        }
    }

    /// One value for all questions, or one for each.
    pub fn each(&self, name: &str, count: usize) -> Result<Vec<Option<&str>>, Wrong> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(vec![None; count]),
            Some(Value::String(text)) => Ok(vec![Some(text); count]),
            Some(Value::Array(all)) if all.len() == count => {
                if !all.iter().all(Value::is_string) {
                    return Err(format!("`{name}` is not a text for each question"));
                }
                Ok(all.iter().map(Value::as_str).collect())
            }
            Some(_) => Err(format!("`{name}` is not a text, or one for each question")),
        }
    }
}

/// Texts and numbers, as texts.
fn texts(value: &Value, name: &str) -> Result<Vec<String>, Wrong> {
    let all = value.as_array();
    let all = all.ok_or_else(|| format!("`{name}` is not a list of texts"))?;
    match all.is_empty() {
        true => Err(format!("`{name}` is empty")),
        false => all.iter().map(|value| said(value, name)).collect(),
    }
}

fn said(value: &Value, name: &str) -> Result<String, Wrong> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(format!("`{name}` holds what is not a text")),
    }
}

/// Not more of a file than a message can take.
fn cut(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
