//! The user's own themes: a folder of TOML files.

use std::fs;
use std::io::Read;
use std::path::Path;

use super::{Depth, Theme};
use crate::disk;
use crate::tui::text::safe;

/// A theme file is a page of text; more than this many bytes is something else.
const LARGEST: u64 = 64 << 10;

/// No theme of that name; says which there are.
#[derive(Debug, thiserror::Error)]
#[error("there is no theme `{name}`; there are {known}{broken}")]
pub struct UnknownTheme {
    name: String,
    known: String,
    broken: String,
}

impl Theme {
    /// The themes in a folder, in the order of their files' names, and what is wrong with the
    /// files that are none, each message naming its file. A folder that does not exist is empty.
    pub fn load_dir(dir: &Path, depth: Depth) -> (Vec<Theme>, Vec<String>) {
        let (mut themes, mut errors) = (Vec::new(), Vec::new());
        let mut files: Vec<_> = match fs::read_dir(dir) {
            Ok(entries) => entries.flatten().map(|e| e.path()).collect(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => {
                errors.push(format!("{}: {e}", dir.display()));
                Vec::new()
            }
        };
        files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
        files.sort();
        for path in files {
            match read(&path, depth) {
                Ok(theme) => themes.push(theme),
                Err(e) => errors.push(format!("{}: {e}", path.display())),
            }
        }
        let safe = |message: String| safe::visible(message.trim_end()).into_owned();
        (themes, errors.into_iter().map(safe).collect())
    }

    /// A theme by name: the user's own in `dir`, or one that comes with the app.
    ///
    /// # Errors
    /// Says which themes there are, and what is wrong with the files in `dir`.
    pub fn find(name: &str, dir: &Path, depth: Depth) -> Result<Theme, UnknownTheme> {
        let (own, errors) = Theme::load_dir(dir, depth);
        let mut known: Vec<String> = own.iter().map(|t| t.name.clone()).collect();
        let found = own.into_iter().find(|t| t.name == name);
        found
            .or_else(|| Theme::built_in(name, depth))
            .ok_or_else(|| {
                known.extend(Theme::names().map(str::to_owned));
                let broken = errors.iter().map(|e| format!("\n{e}")).collect();
                UnknownTheme {
                    name: safe::one_line(name),
                    known: known.join(", "),
                    broken,
                }
            })
    }
}

fn read(path: &Path, depth: Depth) -> Result<Theme, String> {
    // A link is followed, as to a repository of settings; what is there is not waited for.
    let file = fs::canonicalize(path)
        .and_then(|path| disk::open(&path, fs::OpenOptions::new().read(true)))
        .map_err(|e| e.to_string())?;
    let mut source = String::new();
    file.take(LARGEST + 1)
        .read_to_string(&mut source)
        .map_err(|e| e.to_string())?;
    if source.len() as u64 > LARGEST {
        return Err("too large for a theme".into());
    }
    Theme::parse(&source, depth).map_err(|e| e.to_string())
}
