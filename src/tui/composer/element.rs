//! Pastes and files inside the input: one private-use character each, so that every edit treats
//! them as a whole.

use std::sync::Arc;

use crate::document::{Question, framed};
use crate::human;
use crate::tui::text::wrap;

const FIRST: u32 = 0xF0000;
const LAST: u32 = 0xFFFFD;

/// Where an element's text came from.
#[derive(Clone, Debug, PartialEq)]
pub enum ElementKind {
    Paste,
    /// The file's name, safe to show.
    File(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    pub kind: ElementKind,
    pub text: Arc<str>,
    pub lines: usize,
    pub chars: usize,
    /// Of a file that has pages and was taken whole.
    pub pages: Option<usize>,
    /// Not known until the model has counted them.
    pub tokens: Option<usize>,
}

impl Element {
    /// `[pasted 812 lines · 7,412 tokens · 90 % of context]`.
    pub fn label(&self, context: Option<usize>) -> String {
        let what = match &self.kind {
            ElementKind::Paste if self.lines == 1 => "pasted 1 line".to_owned(),
            ElementKind::Paste => format!("pasted {} lines", human::thousands(self.lines)),
            ElementKind::File(name) => match self.pages {
                Some(1) => format!("{name} · 1 page"),
                Some(n) => format!("{name} · {} pages", human::thousands(n)),
                None => name.clone(),
            },
        };
        match (self.tokens, context) {
            (Some(n), Some(context)) if context > 0 => {
                let share = human::percent_whole(n as f64 / context as f64);
                format!(
                    "[{what} · {} tokens · {share} of context]",
                    human::thousands(n)
                )
            }
            (Some(n), _) => format!("[{what} · {} tokens]", human::thousands(n)),
            (None, _) => format!("[{what} · {} characters]", human::thousands(self.chars)),
        }
    }
}

/// A label in so many cells: the words behind the share go first, then its last figure.
pub fn fitted(label: &str, cells: usize) -> String {
    let mut label = label.to_owned();
    if wrap::width(&label) > cells {
        label = label.replace(" % of context]", " %]");
    }
    if wrap::width(&label) > cells
        && let Some((before, _)) = label.rsplit_once(" · ").filter(|(b, _)| b.contains(" · "))
    {
        label = format!("{before}]");
    }
    wrap::truncate(&label, cells)
}

/// All elements ever attached; never shrinks, so that undo and history find theirs.
#[derive(Clone, Debug, Default)]
pub struct Elements {
    all: Vec<Element>,
}

/// True for the characters that stand for elements.
pub fn is_mark(c: char) -> bool {
    (FIRST..=LAST).contains(&(c as u32))
}

/// Typed or pasted text cannot forge an element.
pub fn without_reserved(text: &str) -> String {
    text.chars()
        .map(|c| if is_mark(c) { '\u{fffd}' } else { c })
        .collect()
}

impl Elements {
    /// The tag for [`Self::counted`] and the character that stands for it.
    pub fn add(&mut self, kind: ElementKind, text: String) -> (u64, char) {
        // A million and more elements in one sitting: the last place is taken again.
        let id = self.all.len().min((LAST - FIRST) as usize);
        let element = Element {
            kind,
            lines: text.lines().count(),
            chars: text.chars().count(),
            text: text.into(),
            pages: None,
            tokens: None,
        };
        match self.all.get_mut(id) {
            Some(place) => *place = element,
            None => self.all.push(element),
        }
        (
            id as u64,
            char::from_u32(FIRST + id as u32).unwrap_or('\u{fffd}'),
        )
    }

    pub fn get(&self, mark: char) -> Option<&Element> {
        let id = (mark as u32).checked_sub(FIRST)?;
        self.all.get(id as usize)
    }

    /// The tag of the element that this character stands for.
    pub fn tag(&self, mark: char) -> Option<u64> {
        self.get(mark).map(|_| u64::from(mark as u32 - FIRST))
    }

    pub fn by_tag(&self, tag: u64) -> Option<&Element> {
        self.all.get(usize::try_from(tag).ok()?)
    }

    /// Says how many pages an element has.
    pub fn paged(&mut self, tag: u64, pages: Option<usize>) {
        if let Some(e) = usize::try_from(tag).ok().and_then(|i| self.all.get_mut(i)) {
            e.pages = pages;
        }
    }

    pub fn counted(&mut self, tag: u64, tokens: usize) {
        if let Some(e) = usize::try_from(tag).ok().and_then(|i| self.all.get_mut(i)) {
            e.tokens = Some(tokens);
        }
    }

    /// Elements written out in full, set apart from the text around them.
    pub fn expand(&self, raw: &str) -> String {
        let mut question = Question::default();
        for c in raw.chars() {
            match self.get(c) {
                Some(element) => match &element.kind {
                    ElementKind::Paste => question.attached(&element.text),
                    // As the command line says it, so that both ask the same.
                    ElementKind::File(name) => {
                        question.document(name, &framed(name, &element.text));
                    }
                },
                None => question.typed(c.encode_utf8(&mut [0; 4])),
            }
        }
        question.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_gives_its_least_words_up_first() {
        let label = "[pasted 85 lines · 2,648 tokens · 32 % of context]";
        let in_cells = |cells| fitted(label, cells);
        assert_eq!(in_cells(50), label);
        assert_eq!(in_cells(46), "[pasted 85 lines · 2,648 tokens · 32 %]");
        assert_eq!(in_cells(38), "[pasted 85 lines · 2,648 tokens]");
        assert_eq!(in_cells(20), "[pasted 85 lines · …");
        assert_eq!(fitted("[a · 7 characters]", 9), "[a · 7 c…");
    }

    #[test]
    fn an_attached_file_reads_as_the_command_line_has_it() {
        let mut elements = Elements::default();
        let (_, mark) = elements.add(ElementKind::File("a.txt".into()), "alpha\n".into());
        let document = crate::document::from_bytes("a.txt", b"alpha\n").unwrap();
        assert_eq!(
            elements.expand(&format!("{mark}Which?")),
            crate::document::compose(&[document], "Which?")
        );
    }
}
