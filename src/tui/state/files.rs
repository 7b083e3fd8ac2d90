//! Files in a message: `/file`, `@path`, and files dropped into the terminal.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use super::listing::at_home;
use super::{Effect, State};
use crate::document::{Document, DocumentError, Excerpt};
use crate::tui::composer::Draft;
use crate::tui::conversation::Level;

/// The mention of a file that is being typed, an `@` at the beginning of a word: where its path
/// begins, and the path so far.
pub(super) fn mention(text: &str) -> Option<(usize, &str)> {
    let word = text.rfind(char::is_whitespace).map_or(0, |at| {
        at + text[at..].chars().next().map_or(1, char::len_utf8)
    });
    let path = text[word..].strip_prefix('@')?;
    Some((word + 1, path))
}

/// Words of a message that begin with `@`, as paths to be looked for.
pub(super) fn mentioned(text: &str) -> Vec<String> {
    let words = text.split_whitespace();
    let paths = words.filter_map(|w| w.strip_prefix('@'));
    let trimmed = paths.map(|p| p.trim_end_matches([',', ';', ':', '?', '!', ')']));
    trimmed
        .filter(|p| !p.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A mention that is meant as a path, and not as somebody's name.
fn looks_like_path(mention: &str) -> bool {
    mention.contains('/') || mention.starts_with('~')
}

impl State {
    /// `/file PATH`.
    pub(super) fn attach_file(&mut self, argument: &str, effects: &mut Vec<Effect>) {
        match argument {
            "" => self.toast(
                Level::Warning,
                "/file needs a path: /file notes.md, or /file report.pdf 3-7",
            ),
            argument => {
                self.sending.file = Some(argument.to_owned());
                effects.push(Effect::Read(self.path(argument)));
            }
        }
    }

    /// A file that cannot be read: why, and its path is there to be mended.
    pub(super) fn unread(&mut self, why: &DocumentError) {
        self.note(Level::Error, why.to_string());
        let argument = self.sending.file.take();
        if let Some(argument) = argument.filter(|_| self.composer.is_empty()) {
            let raw = format!("/file {argument}");
            self.composer.restore(&Draft { raw });
        }
    }

    /// A path as people write it: quoted, or with `~` for the home folder.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        let text = text.trim();
        let quoted = ['"', '\''].into_iter().find_map(|q| {
            let inner = text.strip_prefix(q)?.strip_suffix(q)?;
            Some(inner)
        });
        // A part may follow the quoted name: `"my report.pdf" 3-7`.
        let parted = ['"', '\''].into_iter().find_map(|q| {
            let (inner, part) = text.strip_prefix(q)?.rsplit_once(q)?;
            let part = Excerpt::parse(part.trim().trim_start_matches('#'))?;
            Some(format!("{inner}#{part}"))
        });
        let text = parted.as_deref().or(quoted).unwrap_or(text);
        at_home(text, self.home.as_deref())
    }

    /// A file that was mentioned: its mention becomes the element. A word that is no file stays a
    /// word; a path that is none, and a file that cannot be read, are said, and nothing is sent.
    pub(super) fn mentioned_file(
        &mut self,
        path: &str,
        document: Result<Document, DocumentError>,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(waiting) = &mut self.sending.mentions {
            waiting.retain(|p| p != path);
        }
        match document {
            Ok(document) => {
                let mention = format!("@{path}");
                if let Some(at) = self.composer.buffer.text().find(&mention) {
                    self.composer.buffer.remove_range(at, at + mention.len());
                    self.attach_document(document, effects);
                    self.composer.buffer.set_caret(usize::MAX);
                }
            }
            Err(DocumentError::Missing(_) | DocumentError::Folder(_)) if !looks_like_path(path) => {
            }
            Err(error) => {
                self.sending.mentions = None;
                let literally = match error {
                    DocumentError::Missing(_) | DocumentError::Folder(_) => {
                        "; with a space behind the @ it goes out as it stands"
                    }
                    _ => "",
                };
                self.note(Level::Error, format!("{error}{literally}"));
            }
        }
        if self.sending.mentions.take_if(|m| m.is_empty()).is_some() {
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
        assert_eq!(mentioned("see @a.md, and @b/c.txt?"), ["a.md", "b/c.txt"]);
        assert_eq!(mentioned("mail me@home"), Vec::<String>::new());
        assert_eq!(mention("see @no"), Some((5, "no")));
        assert_eq!(mention("a@b"), None);
    }
}
