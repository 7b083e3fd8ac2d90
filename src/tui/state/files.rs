//! Files in a message: `/file`, `@path`, and files dropped into the terminal.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use super::listing::at_home;
use super::{Effect, State, mentions};
use crate::document::{Document, DocumentError, Excerpt};
use crate::tui::composer::Draft;
use crate::tui::conversation::Level;

impl State {
    /// `/file PATH`.
    pub(super) fn attach_file(&mut self, argument: &str, effects: &mut Vec<Effect>) {
        match argument {
            "" => self.toast(
                Level::Warning,
                "/file needs a path: /file notes.md, or /file report.pdf 3-7",
            ),
            "-" => self.toast(Level::Warning, "in the app standard input is the keyboard"),
            argument => {
                self.sending.file = Some(argument.to_owned());
                self.sending.reading += 1;
                effects.push(Effect::Read(self.path(argument)));
            }
        }
    }

    /// A file that cannot be read: why, and its path is there to be mended.
    pub(super) fn unread(&mut self, why: &DocumentError) {
        self.sending.waiting = None;
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
        self.still_waiting();
        let Some(waiting) = &mut self.sending.waiting else {
            return;
        };
        let before = waiting.mentions.len();
        waiting.mentions.retain(|p| p != path);
        if waiting.mentions.len() == before {
            // Of a message that was kept back.
            return;
        }
        let shorter = mentions::without_stop(path);
        match (document, shorter) {
            (Ok(document), _) => {
                if let Some(place) = mentions::place(&waiting.text, path) {
                    self.composer.buffer.remove_range(place.start, place.end);
                    self.attach_document(document, effects);
                    self.composer.buffer.set_caret(usize::MAX);
                }
            }
            (Err(DocumentError::Missing(_) | DocumentError::Folder(_)), Some(shorter)) => {
                waiting.mentions.push(shorter.to_owned());
                effects.push(Effect::Mention(shorter.to_owned()));
            }
            (Err(DocumentError::Missing(_) | DocumentError::Folder(_)), None)
                if !mentions::is_path(path) => {}
            (Err(error), _) => {
                self.sending.waiting = None;
                let literally = match error {
                    DocumentError::Missing(_) | DocumentError::Folder(_) => {
                        "; with a space behind the @ it goes out as it stands"
                    }
                    _ => "",
                };
                self.note(Level::Error, format!("{error}{literally}"));
            }
        }
        self.send_when_read(effects);
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
}
