//! Files in a message: `/file`, `@path`, and files dropped into the terminal.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use super::{Effect, State};
use crate::document::{Document, DocumentError};
use crate::tui::command::Completion;
use crate::tui::conversation::Level;
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
}

/// Where the path that is being typed begins, and how it is written: after `/file `, or after an
/// `@` at the beginning of a word.
fn typed(text: &str) -> Option<(usize, &str)> {
    if let Some(path) = text.strip_prefix("/file ") {
        return Some((text.len() - path.len(), path));
    }
    let word = text.rfind(char::is_whitespace).map_or(0, |at| {
        at + text[at..].chars().next().map_or(1, char::len_utf8)
    });
    let path = text[word..].strip_prefix('@')?;
    Some((word, path))
}

/// The folder part of a path as typed.
pub fn folder(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..=at])
}

impl State {
    /// Asks for names when a path is being typed.
    pub(super) fn list_files(&mut self, effects: &mut Vec<Effect>) {
        if self.composer.buffer.text() == "/open " {
            effects.push(Effect::Sessions);
        }
        let wanted = typed(self.composer.buffer.text()).map(|(_, path)| path.to_owned());
        match wanted {
            Some(prefix) if self.listing.prefix != prefix || self.listing.names.is_empty() => {
                if self.listed.as_deref() != Some(&prefix) {
                    self.listed = Some(prefix.clone());
                    effects.push(Effect::List(prefix));
                }
            }
            Some(_) => {}
            None => {
                self.listed = None;
                self.listing = Listing::default();
            }
        }
    }

    /// Completions of the path that is being typed.
    pub(super) fn file_completions(&self) -> Vec<Completion> {
        let text = self.composer.buffer.text();
        let Some((at, path)) = typed(text) else {
            return Vec::new();
        };
        if self.listing.prefix != path {
            return Vec::new();
        }
        let at_sign = if text[at..].starts_with('@') { "@" } else { "" };
        let complete = |n: &Name| {
            let slash = if n.folder { "/" } else { "" };
            Completion {
                text: format!("{}{at_sign}{}{}{slash}", &text[..at], folder(path), n.name),
                label: safe::one_line(&format!("{}{slash}", n.name)),
                hint: String::new(),
            }
        };
        let all = self.listing.names.iter().map(complete);
        all.filter(|c| c.text != text).collect()
    }

    /// Words of the message that begin with `@`, as paths to be looked for.
    pub(super) fn mentioned(text: &str) -> Vec<String> {
        let words = text.split_whitespace();
        let paths = words.filter_map(|w| w.strip_prefix('@'));
        let trimmed = paths.map(|p| p.trim_end_matches([',', ';', ':', '?', '!', ')']));
        trimmed
            .filter(|p| !p.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// A file that was mentioned: its mention becomes the element. What is no file stays a word;
    /// a file that cannot be read is said, and nothing is sent.
    pub(super) fn mentioned_file(
        &mut self,
        path: &str,
        document: Result<Document, DocumentError>,
        effects: &mut Vec<Effect>,
    ) {
        self.mentions.retain(|p| p != path);
        match document {
            Ok(document) => {
                let mention = format!("@{path}");
                if let Some(at) = self.composer.buffer.text().find(&mention) {
                    self.composer.buffer.remove_range(at, at + mention.len());
                    self.attach_document(document, effects);
                    self.composer.buffer.set_caret(usize::MAX);
                }
            }
            Err(DocumentError::Missing(_) | DocumentError::Folder(_)) => {}
            Err(error) => {
                self.sending = false;
                self.note(Level::Error, error.to_string());
            }
        }
        if self.mentions.is_empty() && self.sending {
            self.sending = false;
            self.send_now(effects);
        }
    }
}

/// A paste that is a file dropped into the terminal: one absolute path, quoted or escaped as
/// terminals do it.
pub(super) fn dropped(text: &str) -> Option<PathBuf> {
    let text = text.trim();
    if text.len() > 4096 || text.contains('\n') {
        return None;
    }
    let quoted = ['\'', '"'].into_iter().find_map(|q| {
        let inner = text.strip_prefix(q)?.strip_suffix(q)?;
        Some(inner.to_owned())
    });
    let plain = match (quoted, text.strip_prefix("file://")) {
        (Some(inner), _) => inner,
        (None, Some(url)) => percent_decode_str(url).decode_utf8_lossy().into_owned(),
        (None, None) => unescaped(text)?,
    };
    let path = PathBuf::from(plain);
    path.is_absolute().then_some(path)
}

/// Backslashes taken away; `None` where an unescaped space shows that it is a sentence.
fn unescaped(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next()?),
            ' ' => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_file_is_told_from_a_sentence() {
        let path = |text| dropped(text).map(|p| p.display().to_string());
        assert_eq!(path("/tmp/my\\ notes.md "), Some("/tmp/my notes.md".into()));
        assert_eq!(path("'/tmp/my notes.md'"), Some("/tmp/my notes.md".into()));
        assert_eq!(path("file:///tmp/a%20b.txt"), Some("/tmp/a b.txt".into()));
        assert_eq!(path("/tmp is a folder"), None);
        assert_eq!(path("notes.md"), None);
    }

    #[test]
    fn mentions_and_what_is_being_typed() {
        assert_eq!(
            State::mentioned("see @a.md, and @b/c.txt?"),
            ["a.md", "b/c.txt"]
        );
        assert_eq!(State::mentioned("mail me@home"), Vec::<String>::new());
        assert_eq!(typed("see @no"), Some((4, "no")));
        assert_eq!(typed("/file a/b"), Some((6, "a/b")));
        assert_eq!(typed("a@b"), None);
        assert_eq!(folder("a/b/c"), "a/b/");
    }
}
