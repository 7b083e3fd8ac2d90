//! A fenced code block that is still open: its finished lines are laid out once.

use ratatui::text::Line;

use super::highlight::Highlighter;
use super::place::{Block, Kind, Place};
use super::{code, literal};
use crate::tui::theme::Theme;

#[derive(Clone, Debug)]
pub struct Fence {
    mark: char,
    len: usize,
    /// Column of the content of the list item it stands in.
    container: usize,
    /// Spaces between that and the fence, taken off every line.
    indent: usize,
    language: String,
    /// Lines of it that are final.
    sources: usize,
    /// Stands behind them.
    highlighter: Highlighter,
}

/// How a line goes on with a block.
enum Next<'a> {
    Code(&'a str),
    /// The closing fence.
    Closed,
    /// The end of the item around it.
    Outside,
}

impl Fence {
    /// The block that this line opens, whose fence stands at `column`.
    pub fn open(line: &str, column: usize, place: &Place) -> Option<Fence> {
        let mut container = 0;
        for frame in &place.frames {
            match frame.kind {
                Kind::Quote => return None,
                Kind::Item { content, .. } => container = content,
                Kind::Root | Kind::List { .. } => {}
            }
        }
        let text = line.trim_start_matches(' ');
        let column = column + line.len() - text.len();
        let indent = column.checked_sub(container)?;
        let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let info = text.trim_start_matches(mark);
        let len = text.len() - info.len();
        // Escapes and entities in the info string are left to the parser.
        let plain = !info.contains(['`', '\\', '&']);
        let language = info.split_whitespace().next().unwrap_or("");
        (indent < 4 && len >= 3 && plain).then(|| Fence {
            mark,
            len,
            container,
            indent,
            language: language.to_owned(),
            sources: 0,
            highlighter: Highlighter::new(language),
        })
    }

    fn next<'a>(&self, line: &'a str) -> Next<'a> {
        let spaces = |text: &str| text.len() - text.trim_start_matches(' ').len();
        let line = match spaces(line) {
            n if n >= self.container => &line[self.container..],
            n if n == line.len() => "",
            _ => return Next::Outside,
        };
        let text = line.trim_start_matches(' ');
        let rest = text.trim_start_matches(self.mark);
        let closed = line.len() - text.len() < 4
            && text.len() - rest.len() >= self.len
            && rest.trim_matches([' ', '\t']).is_empty();
        match closed {
            true => Next::Closed,
            false => Next::Code(&line[spaces(line).min(self.indent)..]),
        }
    }

    fn draw(
        &mut self,
        text: &str,
        place: &mut Place,
        width: usize,
        theme: &Theme,
        out: &mut Vec<Line<'static>>,
    ) {
        let tag = (self.sources == 0).then_some(self.language.as_str());
        let text = literal::clean(text);
        let room = width.saturating_sub(place.indent(width)).max(1);
        for line in code::line(tag, &text, &mut self.highlighter, room, theme) {
            place.line(line, Block::Code, width, theme, out);
        }
    }

    /// Lays out the whole lines of `text` that belong to the block, to stay. Returns their bytes,
    /// and whether the block goes on behind them.
    pub fn advance(
        &mut self,
        text: &str,
        place: &mut Place,
        width: usize,
        theme: &Theme,
        out: &mut Vec<Line<'static>>,
    ) -> (usize, bool) {
        let mut at = 0;
        while let Some((line, _)) = text[at..].split_once('\n') {
            let next = self.next(line);
            let ends = !matches!(next, Next::Code(_));
            if !matches!(next, Next::Outside) {
                at += line.len() + 1;
            }
            if let Next::Code(code) = next {
                self.draw(code, place, width, theme, out);
                self.sources += 1;
            } else if self.sources == 0 {
                self.draw("", place, width, theme, out);
            }
            if ends {
                return (at, false);
            }
        }
        (at, true)
    }

    /// Lays out the line that is being written; false where it ends the block, and belongs to what
    /// follows.
    pub fn last(
        &self,
        rest: &str,
        place: &mut Place,
        width: usize,
        theme: &Theme,
        out: &mut Vec<Line<'static>>,
    ) -> bool {
        let mut open = self.clone();
        let blank = rest.trim().is_empty();
        let next = self.next(rest);
        match next {
            Next::Code(code) if !blank => open.draw(code, place, width, theme, out),
            _ if self.sources == 0 => open.draw("", place, width, theme, out),
            _ => {}
        }
        blank || !matches!(next, Next::Outside)
    }
}
