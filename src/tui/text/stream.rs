//! Markdown that arrives in pieces: finished blocks, items of lists and lines of code are laid out
//! once and kept, only the tail is laid out again.

use ratatui::text::Line;

use super::fence::Fence;
use super::literal;
use super::markdown::Rendered;
use super::place::Place;
use crate::tui::theme::Theme;

/// A growing Markdown text with its layout.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    source: String,
    /// Bytes of `source` that are final or in the whole lines of `tail`.
    taken: usize,
    /// What is not final, marked by [`literal`], and how much of it are whole lines.
    tail: String,
    whole: usize,
    /// Where the tail stands.
    place: Box<Place>,
    /// The open code block that the tail is in.
    fence: Option<Box<Fence>>,
    /// Lines of what is final (the first `settled`), then those of the tail.
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
        *self = Stream {
            source: std::mem::take(&mut self.source),
            width: self.width,
            stale: true,
            ..Stream::default()
        };
    }

    /// Lays out what changed since the last call; true where lines changed.
    pub fn layout(&mut self, width: usize, theme: &Theme) -> bool {
        let width = width.max(1);
        if width != self.width {
            self.width = width;
            self.invalidate();
        }
        if !self.stale {
            return false;
        }
        self.stale = false;
        self.read();
        self.lines.truncate(self.settled);
        while self.advance(theme) {}
        true
    }

    /// Brings the tail up to date with the source.
    fn read(&mut self) {
        self.tail.truncate(self.whole);
        for line in self.source[self.taken..].split_inclusive('\n') {
            literal::mark_line(line, &mut self.tail);
            if line.ends_with('\n') {
                self.taken += line.len();
                self.whole = self.tail.len();
            }
        }
    }

    /// Lays the tail out, up to a code block that is open; true where something is left to do.
    fn advance(&mut self, theme: &Theme) -> bool {
        if let Some(mut fence) = self.fence.take() {
            let (bytes, open) = fence.advance(
                &self.tail,
                &mut self.place,
                self.width,
                theme,
                &mut self.lines,
            );
            self.settle(bytes, self.lines.len());
            if !open {
                return true;
            }
            let mut place = (*self.place).clone();
            let last = &self.tail;
            if !fence.last(last, &mut place, self.width, theme, &mut self.lines) {
                self.lines
                    .extend(Rendered::lay_out(last, place, self.width, theme).lines);
            }
            self.fence = Some(fence);
            return false;
        }
        let before = self.lines.len();
        let part = Rendered::lay_out(&self.tail, (*self.place).clone(), self.width, theme);
        self.lines.extend(part.lines);
        let Some(settled) = part.settled else {
            return false;
        };
        self.settle(settled.bytes, before + settled.lines);
        *self.place = settled.place;
        self.fence = settled.fence;
        if self.fence.is_some() {
            self.lines.truncate(self.settled);
        }
        self.fence.is_some()
    }

    fn settle(&mut self, bytes: usize, lines: usize) {
        self.tail.drain(..bytes);
        self.whole -= bytes.min(self.whole);
        self.settled = lines;
    }

    /// How many of the lines are final.
    pub fn settled(&self) -> usize {
        self.settled
    }

    pub fn lines(&self) -> &[Line<'static>] {
        &self.lines
    }
}

#[cfg(test)]
mod tests;
