//! Places in the conversation: text, messages, code blocks.

use ratatui::text::Line;

use super::{Entry, Laid, Scrollback};

impl Scrollback {
    /// The nearest line that contains `query` (in any case), from `from` on: upwards, or
    /// downwards; round the end where there is none before it.
    pub fn find(&self, query: &str, from: usize, upwards: bool) -> Option<usize> {
        let query = query.to_lowercase();
        if query.is_empty() {
            return None;
        }
        let hits: Vec<usize> = self
            .entries
            .iter()
            .flat_map(|l| &l.lines)
            .enumerate()
            .filter(|(_, line)| text(line).to_lowercase().contains(&query))
            .map(|(i, _)| i)
            .collect();
        match upwards {
            true => hits.iter().rev().find(|&&i| i < from).or(hits.last()),
            false => hits.iter().find(|&&i| i > from).or(hits.first()),
        }
        .copied()
    }

    /// How many lines contain `query`.
    pub fn count(&self, query: &str) -> usize {
        let query = query.to_lowercase();
        let lines = self.entries.iter().flat_map(|l| &l.lines);
        lines
            .filter(|line| !query.is_empty() && text(line).to_lowercase().contains(&query))
            .count()
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

fn text(line: &Line<'_>) -> String {
    line.spans.iter().map(|s| s.content.as_ref()).collect()
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

    #[test]
    fn code_without_its_fences() {
        let text = "see\n\n```rust\nfn a() {}\n```\n\nor\n\n    indented\n";
        assert_eq!(code_blocks(text), ["fn a() {}\n", "indented\n"]);
    }
}
