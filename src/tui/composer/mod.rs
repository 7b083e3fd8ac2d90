//! The input: multi-line editing with history and undo; pastes and files are atomic elements.

mod buffer;
mod element;
mod layout;

pub use buffer::Buffer;
pub use element::{Element, ElementKind, Elements, fitted};
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

    /// The tag of the element before the caret, else of the one behind it.
    pub fn at_caret(&self) -> Option<u64> {
        let (before, behind) = self.buffer.text().split_at(self.buffer.caret());
        let near = [before.chars().next_back(), behind.chars().next()];
        near.into_iter()
            .flatten()
            .find_map(|c| self.elements.tag(c))
    }

    /// Writes an element out: its text stands in its place and can be edited.
    pub fn write_out(&mut self, tag: u64) {
        if let Some(element) = self.elements.by_tag(tag) {
            let text = element::without_reserved(element.text.trim_end_matches('\n'));
            self.exchange(tag, &text);
        }
    }

    /// Puts another element into an element's place; returns its tag.
    pub fn exchange_element(&mut self, tag: u64, kind: ElementKind, text: String) -> u64 {
        let (new, mark) = self.elements.add(kind, text);
        self.exchange(tag, mark.encode_utf8(&mut [0; 4]));
        new
    }

    fn exchange(&mut self, tag: u64, with: &str) {
        let text = self.buffer.text();
        let found = text
            .char_indices()
            .find(|&(_, c)| self.elements.tag(c) == Some(tag));
        if let Some((at, mark)) = found {
            let mut text = text.to_owned();
            text.replace_range(at..at + mark.len_utf8(), with);
            self.buffer.replace(text);
            self.buffer.set_caret(at + with.len());
        }
    }

    /// Takes the message out and remembers it in the history.
    pub fn take(&mut self) -> Draft {
        let raw = self.buffer.take();
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

    /// Puts a message in the place of what is being written; that can be undone.
    pub fn replace(&mut self, raw: String) {
        self.walk = None;
        self.buffer.replace(raw);
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

    /// What is in the input is a message of the history as it was sent.
    pub fn walking(&self) -> bool {
        let recalled = self.walk.as_ref().and_then(|(at, _)| self.history.get(*at));
        recalled.is_some_and(|text| text == self.buffer.text())
    }

    /// What the model gets: elements written out in full.
    pub fn expand(&self, draft: &Draft) -> String {
        self.elements.expand(&draft.raw)
    }
}

#[cfg(test)]
mod tests;
