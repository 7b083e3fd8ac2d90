//! Markdown that arrives in pieces: finished blocks are laid out once and kept, only the tail is
//! laid out again.

use ratatui::text::Line;

use super::markdown;
use crate::tui::theme::Theme;

/// A growing Markdown text with its layout.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    source: String,
    /// Bytes of `source` whose blocks are final.
    frozen: usize,
    /// Lines of the final blocks (the first `settled`), then those of the tail.
    lines: Vec<Line<'static>>,
    settled: usize,
    width: usize,
    stale: bool,
}

impl Stream {
    /// Appends a piece that is already safe for a terminal.
    pub fn push(&mut self, piece: &str) {
        self.source.push_str(piece);
        self.stale = true;
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// Forgets the layout (theme or width changed).
    pub fn invalidate(&mut self) {
        (self.frozen, self.settled, self.stale) = (0, 0, true);
        self.lines.clear();
    }

    /// Lays out what changed since the last call; true where lines changed.
    pub fn layout(&mut self, width: usize, theme: &Theme) -> bool {
        if width != self.width {
            self.width = width;
            self.invalidate();
        }
        if !self.stale {
            return false;
        }
        self.stale = false;
        self.lines.truncate(self.settled);
        // A block is final when a later one has begun on a line that is complete: half a line may
        // still turn out to continue the block before (`2` → `2. next item`).
        let tail = &self.source[self.frozen..];
        let complete = tail.rfind('\n').map_or(0, |at| at + 1);
        let starts = markdown::block_starts(&tail[..complete]);
        if let Some(&last) = starts.last().filter(|_| starts.len() > 1) {
            let done = markdown::render(&tail[..last], width, theme);
            append(&mut self.lines, done);
            self.settled = self.lines.len();
            self.frozen += last;
        }
        let tail = markdown::render(&self.source[self.frozen..], width, theme);
        append(&mut self.lines, tail);
        true
    }

    pub fn lines(&self) -> &[Line<'static>] {
        &self.lines
    }
}

fn append(lines: &mut Vec<Line<'static>>, more: Vec<Line<'static>>) {
    if !lines.is_empty() && !more.is_empty() {
        lines.push(Line::default());
    }
    lines.extend(more);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z *_`]{1,40}\n\n",
            "#{1,3} [a-z]{1,12}\n",
            "(- [a-z ]{1,20}\n){1,4}",
            "([1-3]\\. [a-z ]{1,20}\n){1,3}\n?",
            "```\n[a-z\n]{0,40}\n```\n",
            Just("| a | b |\n|---|---|\n| 1 | 2 |\n\n".to_string()),
            "> [a-z ]{1,30}\n",
            "[a-z ]{1,10}\n",
            Just("---\n".to_string()),
            Just("    indented\n\n    more\n".to_string()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn streamed_equals_one_shot(blocks in prop::collection::vec(block(), 0..8), step in 1usize..9) {
            let text = blocks.concat();
            let theme = Theme::default();
            let mut streamed = Stream::default();
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(step) {
                streamed.push(&piece.iter().collect::<String>());
                streamed.layout(30, &theme);
            }
            prop_assert_eq!(streamed.lines(), &markdown::render(&text, 30, &theme)[..]);
        }
    }
}
