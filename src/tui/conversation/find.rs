//! Places in the conversation: text, messages, code blocks.

use std::ops::Range;

use super::joined::{Joined, cells};
use super::{Entry, Laid, Scrollback};

/// What a line in view has of a place that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The line that the place begins on.
    pub begins: usize,
    pub line: usize,
    pub cells: Range<usize>,
}

impl Scrollback {
    /// The nearest line on which `query` begins (in any case), from `from` on: upwards, or
    /// downwards; round the end where there is none before it.
    pub fn find(&self, query: &str, from: usize, upwards: bool) -> Option<usize> {
        let hits = self.hits(query);
        match upwards {
            true => hits.iter().rev().find(|&&i| i < from).or(hits.last()),
            false => hits.iter().find(|&&i| i > from).or(hits.first()),
        }
        .copied()
    }

    /// On how many lines `query` begins.
    pub fn count(&self, query: &str) -> usize {
        self.hits(query).len()
    }

    fn hits(&self, query: &str) -> Vec<usize> {
        let query = query.to_lowercase();
        let (mut hits, mut top) = (Vec::new(), 0);
        for laid in self.entries.iter().filter(|_| !query.is_empty()) {
            let text = Joined::of(&laid.lines);
            hits.extend(text.places(&query).map(|place| top + text.line(&place)));
            top += laid.lines.len();
        }
        hits.dedup();
        hits
    }

    /// All places of `query` in view, line by line.
    pub fn found(&self, query: &str) -> Vec<Found> {
        let query = query.to_lowercase();
        let view = self.scroll.top()..self.scroll.top() + self.scroll.height();
        let (mut found, mut next) = (Vec::new(), 0);
        for laid in self.entries.iter().filter(|_| !query.is_empty()) {
            let top = next;
            next += laid.height(self.width);
            if next <= view.start || top >= view.end {
                continue;
            }
            let text = Joined::of(&laid.lines);
            for place in text.places(&query) {
                let begins = top + text.line(&place);
                let parts = text
                    .parts(&place)
                    .filter(|(at, _)| view.contains(&(top + at)));
                found.extend(parts.map(|(at, bytes)| Found {
                    begins,
                    line: top + at,
                    cells: cells(&laid.lines[at], bytes),
                }));
            }
        }
        found
    }

    /// First line and number of lines of an entry.
    pub fn span(&self, entry: usize) -> (usize, usize) {
        let top = self.heights().take(entry).sum();
        (top, self.heights().nth(entry).unwrap_or(0))
    }

    pub fn entry(&self, at: usize) -> Option<&Entry> {
        self.entries.get(at).map(|l| &l.entry)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The message (question or answer) before or after an entry.
    pub fn message(&self, from: Option<usize>, step: isize) -> Option<usize> {
        let spoken = |i: &usize| !matches!(self.entries[*i].entry, Entry::Note { .. });
        let count = self.entries.len();
        match (from, step < 0) {
            (None, _) => (0..count).rev().find(spoken),
            (Some(at), true) => (0..at.min(count)).rev().find(spoken),
            (Some(at), false) => (at + 1..count).find(spoken),
        }
    }

    /// Takes an entry out and all that follows.
    pub fn split_off(&mut self, at: usize) -> Vec<Entry> {
        let taken = self.entries.split_off(at.min(self.entries.len()));
        let whole = |mut laid: Laid| {
            // It may come back to a screen of another width.
            laid.entry.invalidate();
            laid.entry
        };
        taken.into_iter().map(whole).collect()
    }
}

/// The code blocks of a Markdown text, without their fences.
pub fn code_blocks(markdown: &str) -> Vec<String> {
    use pulldown_cmark::{Event, Parser, Tag, TagEnd};
    let (mut blocks, mut inside) = (Vec::new(), false);
    for event in Parser::new(markdown) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => {
                inside = true;
                blocks.push(String::new());
            }
            Event::End(TagEnd::CodeBlock) => inside = false,
            Event::Text(text) if inside => {
                if let Some(block) = blocks.last_mut() {
                    block.push_str(&text);
                }
            }
            _ => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::conversation::{Answer, MessagePart};
    use crate::tui::theme::Theme;

    fn laid_out(width: usize, text: &str) -> Scrollback {
        let mut answer = Answer::default();
        answer.text.push(text);
        let mut conversation = Scrollback::default();
        conversation.push(Entry::User {
            parts: vec![MessagePart::Text("Who are you?".into())],
            raw: String::new(),
        });
        conversation.push(Entry::Answer(Box::new(answer)));
        conversation.layout(width, 20, &Theme::default());
        conversation
    }

    #[test]
    fn text_is_found_where_it_wraps() {
        let text = "Either party may end it with thirty days' notice.";
        let conversation = laid_out(28, text);
        assert_eq!(conversation.find("It with", usize::MAX, true), Some(2));
        let found = |line, cells| Found {
            begins: 2,
            line,
            cells,
        };
        let parts = [found(2, 23..25), found(3, 2..6)];
        assert_eq!(conversation.found("It with"), parts);
        let wide = laid_out(7, "日本語の文章");
        let cells: Vec<_> = wide.found("本語").into_iter().map(|f| f.cells).collect();
        assert_eq!(cells, [4..6, 2..4]);
        let words = [
            ("> it counts as received", "as received"),
            ("see https://a.b/cd", "a.b/cd"),
            ("what is well-known here", "well-known"),
            ("one side - or the other", "side - or the"),
        ];
        for (text, query) in words {
            for width in 14..24 {
                assert_eq!(laid_out(width, text).count(query), 1, "{query} at {width}");
            }
        }
    }

    #[test]
    fn labels_are_not_searched() {
        let conversation = laid_out(60, "An assistant.");
        assert!(
            conversation.entries[0].lines[0]
                .to_string()
                .starts_with("you ")
        );
        assert_eq!(conversation.count("you"), 1);
        assert_eq!(conversation.count("cachat"), 0);
        assert_eq!(conversation.count(""), 0);
    }

    #[test]
    fn code_without_its_fences() {
        let text = "see\n\n```rust\nfn a() {}\n```\n\nor\n\n    indented\n";
        assert_eq!(code_blocks(text), ["fn a() {}\n", "indented\n"]);
    }
}
