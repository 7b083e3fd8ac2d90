//! Paths as they are typed, and the names that they could become.

use std::path::{Path, PathBuf};

use super::completion::Completion;
use crate::tui::text::safe;

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub name: String,
    pub folder: bool,
}

/// Names that begin as what was typed does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The path as typed so far.
    pub prefix: String,
    pub names: Vec<Name>,
    /// How many more there are.
    pub more: usize,
}

impl Listing {
    /// A file has this very name.
    pub(super) fn has(&self, path: &str) -> bool {
        let name = &path[folder(path).len()..];
        let here = self.names.iter().any(|n| !n.folder && n.name == name);
        here && folder(&self.prefix) == folder(path)
    }

    /// What the path could become.
    pub(super) fn completions(&self, path: &str) -> Vec<Completion> {
        if self.prefix != path {
            return Vec::new();
        }
        let complete = |n: &Name| {
            let slash = if n.folder { "/" } else { "" };
            Completion {
                text: format!("{}{}{slash}", folder(path), n.name),
                label: safe::one_line(&format!("{}{slash}", n.name)),
                hint: String::new(),
            }
        };
        let all = self.names.iter().map(complete);
        all.filter(|c| c.text != path).collect()
    }
}

/// The folder part of a path as typed.
pub fn folder(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..=at])
}

/// A path as people write it, with `~` for the home folder.
pub fn at_home(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_path_has_a_folder_and_is_completed_in_it() {
        assert_eq!(folder("a/b/c"), "a/b/");
        let names = [("notes", true), ("no.md", false)];
        let listing = Listing {
            prefix: "a/no".into(),
            names: names
                .map(|(name, folder)| Name {
                    name: name.into(),
                    folder,
                })
                .to_vec(),
            more: 0,
        };
        let lines = listing.completions("a/no");
        let texts: Vec<&str> = lines.iter().map(|c| c.text.as_str()).collect();
        assert_eq!(texts, ["a/notes/", "a/no.md"]);
        assert_eq!(listing.completions("a/n"), []);
        assert!(listing.has("a/no.md") && !listing.has("a/notes") && !listing.has("no.md"));
    }
}
