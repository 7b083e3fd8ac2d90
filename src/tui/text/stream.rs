//! Markdown that arrives in pieces: finished blocks are laid out once and kept, only the tail is
//! laid out again.

use ratatui::text::Line;

use super::highlight::Highlighter;
use super::{code, markdown};
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
    /// The fenced code block that the frozen text ends in: its finished lines are final too.
    fence: Option<Box<Fence>>,
    width: usize,
    stale: bool,
}

/// An open fenced code block at the top level.
#[derive(Clone, Debug)]
struct Fence {
    mark: char,
    len: usize,
    /// Spaces before the fence, taken off every line.
    indent: usize,
    language: String,
    /// Lines of it that are final.
    sources: usize,
    /// Stands behind them.
    highlighter: Highlighter,
}

impl Fence {
    /// The block that this line opens.
    fn open(line: &str) -> Option<Fence> {
        let text = line.trim_start_matches(' ');
        let indent = line.len() - text.len();
        let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let info = text.trim_start_matches(mark);
        let len = text.len() - info.len();
        // Escapes and entities in the info string are left to the parser.
        let plain = !info.contains(['`', '\\', '&']);
        let language = info.split_whitespace().next().unwrap_or("");
        (indent < 4 && len >= 3 && plain).then(|| Fence {
            mark,
            len,
            indent,
            language: language.to_owned(),
            sources: 0,
            highlighter: Highlighter::new(language),
        })
    }

    fn closed_by(&self, line: &str) -> bool {
        let text = line.trim_start_matches(' ');
        let rest = text.trim_start_matches(self.mark);
        line.len() - text.len() < 4
            && text.len() - rest.len() >= self.len
            && rest.trim_matches([' ', '\t']).is_empty()
    }

    /// Bytes of a line that are not content.
    fn skip(&self, line: &str) -> usize {
        let spaces = line.len() - line.trim_start_matches(' ').len();
        spaces.min(self.indent)
    }
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
        self.fence = None;
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
        while !self.advance_fence(width, theme) {
            if !self.advance_blocks(width, theme) {
                break;
            }
        }
        if self.fence.is_none() {
            let tail = markdown::render(&self.source[self.frozen..], width, theme);
            append(&mut self.lines, tail);
        }
        true
    }

    /// Freezes the blocks that are final; true where an open code block follows them.
    fn advance_blocks(&mut self, width: usize, theme: &Theme) -> bool {
        // A block is final when a later one has begun on a line that is complete: half a line may
        // still turn out to continue the block before (`2` → `2. next item`).
        let tail = &self.source[self.frozen..];
        let complete = tail.rfind('\n').map_or(0, |at| at + 1);
        let starts = markdown::block_starts(&tail[..complete]);
        let Some(&last) = starts.last() else {
            return false;
        };
        if starts.len() > 1 {
            let done = markdown::render(&tail[..last], width, theme);
            append(&mut self.lines, done);
            self.settled = self.lines.len();
            self.frozen += last;
        }
        let tail = &self.source[self.frozen..];
        let start = if starts.len() > 1 { 0 } else { last };
        let Some((line, _)) = tail[start..].split_once('\n') else {
            return false;
        };
        self.fence = Fence::open(line).map(Box::new);
        if self.fence.is_none() {
            return false;
        }
        self.frozen += start + line.len() + 1;
        if !self.lines.is_empty() {
            self.lines.push(Line::default());
            self.settled = self.lines.len();
        }
        true
    }

    /// Lays out the new lines of an open code block; false where none is open (any more).
    fn advance_fence(&mut self, width: usize, theme: &Theme) -> bool {
        let Some(fence) = &mut self.fence else {
            return false;
        };
        let code = |fence: &mut Fence, lines: &mut Vec<_>, text: &str| {
            let tag = (fence.sources == 0).then_some(fence.language.as_str());
            let text = &text[fence.skip(text)..];
            lines.extend(code::line(tag, text, &mut fence.highlighter, width, theme));
        };
        while let Some((line, _)) = self.source[self.frozen..].split_once('\n') {
            self.frozen += line.len() + 1;
            let closed = fence.closed_by(line);
            if !closed || fence.sources == 0 {
                code(fence, &mut self.lines, if closed { "" } else { line });
                fence.sources += 1;
                self.settled = self.lines.len();
            }
            if closed {
                self.fence = None;
                return false;
            }
        }
        // The line that is being written.
        let rest = &self.source[self.frozen..];
        let mut open = fence.clone();
        if fence.closed_by(rest) || rest.is_empty() {
            if fence.sources == 0 {
                code(&mut open, &mut self.lines, "");
            }
        } else {
            code(&mut open, &mut self.lines, rest);
        }
        true
    }

    /// How many of the lines are final.
    pub fn settled(&self) -> usize {
        self.settled
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
            "```(rust|python|diff)\n(let x = \"[a-z]{1,4}|/\\* [a-z]|\\*/|\"\"\"|# c|-a|\n){0,12}\n```\n",
            "[ ]{0,4}(```|~~~|````)[a-z ]{0,6}\n[a-z `~\n]{0,40}(\n ?(```|~~~|````) ?)?\n",
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
