//! A text with a caret, undo and a kill ring of one, edited by grapheme clusters.

use unicode_segmentation::UnicodeSegmentation;

use super::element::is_mark;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    Typing,
    Erasing,
    Other,
}

#[derive(Clone, Debug, Default)]
pub struct Buffer {
    text: String,
    /// A byte offset on a cluster boundary.
    caret: usize,
    undo: Vec<(String, usize)>,
    redo: Vec<(String, usize)>,
    last: Option<Edit>,
    killed: String,
}

impl Buffer {
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn caret(&self) -> usize {
        self.caret
    }

    pub fn set_caret(&mut self, at: usize) {
        self.caret = at.min(self.text.len());
        while !self.text.is_char_boundary(self.caret) {
            self.caret -= 1;
        }
        self.last = None;
    }

    fn remember(&mut self, edit: Edit) {
        if self.last != Some(edit) || edit == Edit::Other {
            self.undo.push((self.text.clone(), self.caret));
            if self.undo.len() > 500 {
                self.undo.remove(0);
            }
        }
        self.redo.clear();
        self.last = Some(edit);
    }

    pub fn insert(&mut self, text: &str) {
        let typing = text.chars().nth(1).is_none() && text != "\n" && text != " ";
        self.remember(if typing { Edit::Typing } else { Edit::Other });
        self.text.insert_str(self.caret, text);
        self.caret += text.len();
    }

    /// Takes all of it out. What was cut can still be put in, and what was there be brought back.
    pub fn take(&mut self) -> String {
        self.remember(Edit::Other);
        self.caret = 0;
        std::mem::take(&mut self.text)
    }

    /// Replaces everything; can be undone.
    pub fn replace(&mut self, text: String) {
        self.remember(Edit::Other);
        self.caret = text.len();
        self.text = text;
    }

    fn previous(&self) -> usize {
        let before = &self.text[..self.caret];
        // A mark is a cluster of its own, whatever was typed after it.
        match before.grapheme_indices(true).next_back() {
            Some((at, g)) if g.chars().count() > 1 && g.starts_with(is_mark) => {
                let mark = g.chars().next().map_or(0, char::len_utf8);
                if at + mark < self.caret {
                    at + mark
                } else {
                    at
                }
            }
            Some((at, _)) => at,
            None => 0,
        }
    }

    fn next(&self) -> usize {
        let after = &self.text[self.caret..];
        match after.graphemes(true).next() {
            Some(g) if g.starts_with(is_mark) => {
                self.caret + g.chars().next().map_or(0, char::len_utf8)
            }
            Some(g) => self.caret + g.len(),
            None => self.caret,
        }
    }

    fn remove(&mut self, from: usize, to: usize, edit: Edit) {
        if from < to {
            self.remember(edit);
            self.text.replace_range(from..to, "");
            self.caret = from;
        }
    }

    /// Takes a range of bytes out; the caret stands where it was.
    pub fn remove_range(&mut self, from: usize, to: usize) {
        let whole = self.text.is_char_boundary(from) && self.text.is_char_boundary(to);
        if whole {
            self.remove(from, to, Edit::Other);
        }
    }

    fn kill(&mut self, from: usize, to: usize) {
        if from < to {
            self.killed = self.text[from..to].to_owned();
            self.remove(from, to, Edit::Other);
        }
    }

    pub fn backspace(&mut self) {
        self.remove(self.previous(), self.caret, Edit::Erasing);
    }

    pub fn delete(&mut self) {
        self.remove(self.caret, self.next(), Edit::Erasing);
    }

    pub fn left(&mut self) {
        self.set_caret(self.previous());
    }

    pub fn right(&mut self) {
        self.set_caret(self.next());
    }

    fn word_start(&self) -> usize {
        let mut found = 0;
        for (at, word) in self.text[..self.caret].split_word_bound_indices() {
            if word.chars().any(|c| c.is_alphanumeric() || is_mark(c)) {
                found = at;
            }
        }
        found
    }

    fn word_end(&self) -> usize {
        for (at, word) in self.text[self.caret..].split_word_bound_indices() {
            if word.chars().any(|c| c.is_alphanumeric() || is_mark(c)) {
                return self.caret + at + word.len();
            }
        }
        self.text.len()
    }

    pub fn word_left(&mut self) {
        self.set_caret(self.word_start());
    }

    pub fn word_right(&mut self) {
        self.set_caret(self.word_end());
    }

    pub fn line_start(&self) -> usize {
        self.text[..self.caret].rfind('\n').map_or(0, |at| at + 1)
    }

    pub fn line_end(&self) -> usize {
        self.text[self.caret..]
            .find('\n')
            .map_or(self.text.len(), |at| self.caret + at)
    }

    pub fn kill_to_end(&mut self) {
        let end = self.line_end();
        let end = if end == self.caret { self.next() } else { end };
        self.kill(self.caret, end);
    }

    pub fn kill_to_start(&mut self) {
        self.kill(self.line_start(), self.caret);
    }

    pub fn kill_word_back(&mut self) {
        self.kill(self.word_start(), self.caret);
    }

    pub fn kill_word(&mut self) {
        self.kill(self.caret, self.word_end());
    }

    pub fn yank(&mut self) {
        if !self.killed.is_empty() {
            let text = self.killed.clone();
            self.insert(&text);
        }
    }

    pub fn undo(&mut self) {
        if let Some((text, caret)) = self.undo.pop() {
            self.redo
                .push((std::mem::replace(&mut self.text, text), self.caret));
            self.caret = caret;
            self.last = None;
        }
    }

    pub fn redo(&mut self) {
        if let Some((text, caret)) = self.redo.pop() {
            self.undo
                .push((std::mem::replace(&mut self.text, text), self.caret));
            self.caret = caret;
            self.last = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_by_cluster_and_undoes_by_run() {
        let mut b = Buffer::default();
        for c in ["h", "e\u{301}", "👩‍👩‍👧"] {
            b.insert(c);
        }
        b.backspace();
        assert_eq!(b.text(), "he\u{301}");
        b.left();
        b.insert("x");
        assert_eq!(b.text(), "hxe\u{301}");
        b.undo();
        b.undo();
        assert_eq!(b.text(), "he\u{301}👩‍👩‍👧");
        b.redo();
        assert_eq!(b.text(), "he\u{301}");
    }

    #[test]
    fn emacs_kills() {
        let mut b = Buffer::default();
        b.insert("one two three\nnext");
        b.set_caret(7);
        b.kill_to_end();
        assert_eq!(b.text(), "one two\nnext");
        b.kill_word_back();
        b.yank();
        b.yank();
        assert_eq!(b.text(), "one twotwo\nnext");
        b.set_caret(0);
        b.kill_word();
        assert_eq!(b.text(), " twotwo\nnext");
    }
}
