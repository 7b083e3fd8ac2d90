//! The input: multi-line editing with history and undo; pastes and files are atomic elements.

mod buffer;
mod element;
mod layout;

pub use buffer::Buffer;
pub use element::{Element, ElementKind, Elements};
pub use layout::{Row, layout};

/// The largest paste taken, in bytes.
pub const PASTE_LIMIT: usize = 16 << 20;
const LONG_LINES: usize = 8;
const LONG_CHARS: usize = 1000;

/// A message as it left the input.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Draft {
    /// Text with one private-use character for each element.
    pub raw: String,
}

/// The input with its elements, history and drafts.
#[derive(Clone, Debug, Default)]
pub struct Composer {
    pub buffer: Buffer,
    pub elements: Elements,
    history: Vec<String>,
    /// Where in the history we are, and what was being written before.
    walk: Option<(usize, String)>,
}

/// What became of a paste.
#[derive(Clone, Debug, PartialEq)]
pub enum Pasted {
    Text,
    /// A new element: count its tokens with this tag.
    Element(u64),
    /// Too large, in bytes.
    Refused(usize),
}

/// A text as it goes into the input: nothing in it can pass for an element.
pub fn plain(text: &str) -> String {
    element::without_reserved(text)
}

/// A typed character as it goes into the input: none can pass for an element.
pub fn typed(c: char) -> char {
    if element::is_mark(c) { '\u{fffd}' } else { c }
}

impl Composer {
    pub fn is_empty(&self) -> bool {
        self.buffer.text().trim().is_empty()
    }

    /// Takes a paste: small ones as text, large ones as one element.
    pub fn paste(&mut self, text: &str) -> Pasted {
        if text.len() > PASTE_LIMIT {
            return Pasted::Refused(text.len());
        }
        let text = super::text::safe::newlines(text);
        self.walk = None;
        let lines = text.lines().count();
        if lines > LONG_LINES || text.chars().nth(LONG_CHARS).is_some() {
            Pasted::Element(self.attach(ElementKind::Paste, text.into_owned()))
        } else {
            self.buffer.insert(&element::without_reserved(&text));
            Pasted::Text
        }
    }

    /// Inserts a paste or a file as one element; returns its tag.
    pub fn attach(&mut self, kind: ElementKind, text: String) -> u64 {
        let (tag, mark) = self.elements.add(kind, text);
        self.buffer.insert(&mark.to_string());
        tag
    }

    /// Takes the message out and remembers it in the history.
    pub fn take(&mut self) -> Draft {
        let raw = self.buffer.text().to_owned();
        self.buffer = Buffer::default();
        self.walk = None;
        if self.history.last() != Some(&raw) {
            self.history.push(raw.clone());
        }
        Draft { raw }
    }

    /// Puts a message back in front of what is being written.
    pub fn restore(&mut self, draft: &Draft) {
        self.walk = None;
        let rest = self.buffer.text().to_owned();
        let joined = match rest.trim().is_empty() {
            true => draft.raw.clone(),
            false => format!("{}\n\n{rest}", draft.raw.trim_end()),
        };
        self.buffer.replace(joined);
    }

    /// Up in the history; false where there is nothing older.
    pub fn older(&mut self) -> bool {
        let at = match &self.walk {
            Some((at, _)) => *at,
            None => self.history.len(),
        };
        let Some(at) = at.checked_sub(1) else {
            return false;
        };
        let draft = match self.walk.take() {
            Some((_, draft)) => draft,
            None => self.buffer.text().to_owned(),
        };
        self.walk = Some((at, draft));
        self.buffer.replace(self.history[at].clone());
        true
    }

    /// Down in the history, at last to what was being written.
    pub fn newer(&mut self) -> bool {
        let Some((at, draft)) = self.walk.take() else {
            return false;
        };
        match self.history.get(at + 1) {
            Some(text) => {
                self.buffer.replace(text.clone());
                self.walk = Some((at + 1, draft));
            }
            None => self.buffer.replace(draft),
        }
        true
    }

    /// What the model gets: elements written out in full.
    pub fn expand(&self, draft: &Draft) -> String {
        self.elements.expand(&draft.raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_large_paste_is_one_element_and_goes_out_whole() {
        let mut c = Composer::default();
        c.buffer.insert("see ");
        let text = "line\r\n".repeat(20);
        assert!(matches!(c.paste(&text), Pasted::Element(_)));
        c.buffer.insert("?");
        assert_eq!(c.buffer.text().chars().count(), 6);
        let draft = c.take();
        assert!(c.expand(&draft).contains(&"line\n".repeat(20)));
        assert!(c.is_empty());
        c.older();
        c.buffer.backspace();
        c.buffer.backspace();
        assert_eq!(c.buffer.text(), "see ");
        c.buffer.undo();
        assert!(c.buffer.text().chars().count() > 4);
        assert_eq!(
            c.paste(&"x".repeat(PASTE_LIMIT + 1)),
            Pasted::Refused(PASTE_LIMIT + 1)
        );
    }

    #[test]
    fn history_keeps_the_draft() {
        let mut c = Composer::default();
        for m in ["one", "two"] {
            c.buffer.insert(m);
            c.take();
        }
        c.buffer.insert("draft");
        assert!(c.older() && c.older() && !c.older());
        assert_eq!(c.buffer.text(), "one");
        assert!(c.newer() && c.newer() && !c.newer());
        assert_eq!(c.buffer.text(), "draft");
    }

    proptest! {
        #[test]
        fn elements_survive_any_editing(ops in prop::collection::vec(0u8..18, 0..80)) {
            let mut c = Composer::default();
            c.paste(&"word ".repeat(400));
            for op in ops {
                match op {
                    0 => c.buffer.insert("a"),
                    1 => c.buffer.insert("é\u{301} 日"),
                    2 => c.buffer.backspace(),
                    3 => c.buffer.delete(),
                    4 => c.buffer.left(),
                    5 => c.buffer.right(),
                    6 => c.buffer.word_left(),
                    7 => c.buffer.word_right(),
                    8 => c.buffer.kill_to_end(),
                    9 => c.buffer.kill_word_back(),
                    10 => c.buffer.yank(),
                    11 => c.buffer.undo(),
                    12 => c.buffer.redo(),
                    13 => { c.older(); }
                    14 => { c.newer(); }
                    15 => { c.paste("\u{301}x\ny"); }
                    16 => { let d = c.take(); c.restore(&d); }
                    _ => c.buffer.insert("\n"),
                }
                let text = c.buffer.text();
                prop_assert!(text.is_char_boundary(c.buffer.caret()));
                let marks = text.chars().filter(|&ch| c.elements.get(ch).is_some()).count();
                let expanded = c.elements.expand(text);
                prop_assert_eq!(expanded.matches(&"word ".repeat(400)).count(), marks);
            }
        }
    }
}
