//! A theme file: names of colours, a palette, and what is inherited.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::built_in::BUILT_IN;
use super::colour::Ink;

/// Errors in a theme file.
#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    #[error(
        "`{field}`: `{value}` is neither #rrggbb, nor `default`, nor one of the terminal's sixteen \
         colours (`red`, `bright-red`), nor a name in [palette]"
    )]
    Colour { field: String, value: String },
    #[error("[ui] has no `{field}`{hint}")]
    Field { field: String, hint: String },
    #[error("`heat` needs at least two colours")]
    Heat,
    #[error("`inherits`: there is no built-in theme `{0}`")]
    Inherits(String),
}

/// A theme file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub name: String,
    /// A built-in theme that says what this one does not.
    inherits: Option<String>,
    pub dark: Option<bool>,
    #[serde(default)]
    palette: BTreeMap<String, String>,
    #[serde(default)]
    pub ui: BTreeMap<String, String>,
    #[serde(default)]
    pub heat: Vec<String>,
}

impl File {
    /// Reads a file together with what it inherits; built-in themes inherit nothing.
    pub fn read(source: &str) -> Result<File, ThemeError> {
        let mut file: File = toml::from_str(source)?;
        if let Some(name) = file.inherits.take() {
            let base = BUILT_IN.iter().find(|(n, _)| *n == name);
            let (_, base) = base.ok_or(ThemeError::Inherits(name))?;
            let base: File = toml::from_str(base)?;
            // The base speaks of its own palette, also where this one has the same name.
            let own = |value: &String| base.palette.get(value).unwrap_or(value).clone();
            file.dark = file.dark.or(base.dark);
            if file.heat.is_empty() {
                file.heat = base.heat.iter().map(own).collect();
            }
            for (field, value) in &base.ui {
                file.ui.entry(field.clone()).or_insert_with(|| own(value));
            }
            for (name, value) in base.palette {
                file.palette.entry(name).or_insert(value);
            }
        }
        Ok(file)
    }

    /// A colour as written, for the field of that name.
    pub fn ink(&self, field: &str, value: &str) -> Result<Ink, ThemeError> {
        let text = self.palette.get(value).map_or(value, String::as_str);
        Ink::parse(text).ok_or_else(|| ThemeError::Colour {
            field: field.to_owned(),
            value: value.to_owned(),
        })
    }

    /// The colour of a field, or of the one that stands in for it.
    pub fn field(&self, field: &str) -> Result<Ink, ThemeError> {
        match self.ui.get(field) {
            Some(value) => self.ink(field, value),
            None => match stand_in(field) {
                Some(other) => self.field(other),
                None => Ok(Ink::Default),
            },
        }
    }
}

/// The field that speaks for one that a user's theme may not know yet.
fn stand_in(field: &str) -> Option<&'static str> {
    Some(match field {
        "code_keyword" => "accent",
        "code_string" => "good",
        "code_number" => "warning",
        "code_comment" => "dim",
        "code_function" => "link",
        "code_type" => "heading",
        "code_name" => "code",
        _ => return None,
    })
}
