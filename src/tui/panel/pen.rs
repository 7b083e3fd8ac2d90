//! Drawing inside a panel: coordinates from its corner, nothing ever outside it, ASCII on demand.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::look::Look;
use crate::tui::text::wrap;
use crate::tui::theme::Theme;

/// One cell of ASCII for the glyphs that the panels use.
fn ascii(c: char) -> char {
    match c {
        '·' | '−' | '─' => '-',
        '→' | '▸' | '›' => '>',
        '◂' | '←' | '↺' => '<',
        '↑' | '▴' => '^',
        '↓' | '▾' => 'v',
        '×' => 'x',
        '÷' => '/',
        '…' => '.',
        '│' | '▏' => '|',
        '█' | '▉' | '▊' | '▋' | '▌' | '▇' | '▆' | '▅' => '#',
        '▓' => '%',
        '▒' | '▄' | '▃' | '▀' => '=',
        '░' | '▂' | '▁' => '.',
        '•' | '■' => '*',
        '↵' => '$',
        '␛' => '^',
        c if c.is_ascii() => c,
        _ => '?',
    }
}

/// `text` with ASCII glyphs only, of the same width.
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for cluster in unicode_segmentation::UnicodeSegmentation::graphemes(text, true) {
        let width = wrap::width(cluster);
        let mut chars = cluster.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) if width == 1 => out.push(ascii(c)),
            _ => out.push_str(&"?".repeat(width)),
        }
    }
    Cow::Owned(out)
}

/// A place to draw.
pub struct Pen<'a, 'l> {
    buf: &'a mut Buffer,
    area: Rect,
    look: Look<'l>,
}

impl<'a, 'l> Pen<'a, 'l> {
    pub fn new(buf: &'a mut Buffer, area: Rect, look: Look<'l>) -> Pen<'a, 'l> {
        let area = area.intersection(buf.area);
        Pen { buf, area, look }
    }

    /// A part of the area as a place of its own; `part` counts from this one's corner.
    pub fn part(&mut self, part: Rect) -> Pen<'_, 'l> {
        let area = Rect {
            x: self.area.x.saturating_add(part.x),
            y: self.area.y.saturating_add(part.y),
            ..part
        };
        Pen {
            area: area.intersection(self.area),
            look: self.look,
            buf: self.buf,
        }
    }

    pub fn width(&self) -> u16 {
        self.area.width
    }

    pub fn height(&self) -> u16 {
        self.area.height
    }

    pub fn look(&self) -> Look<'l> {
        self.look
    }

    pub fn theme(&self) -> &'l Theme {
        self.look.theme
    }

    /// Draws text from a cell to the right end of the area; returns the column behind it.
    pub fn text(&mut self, x: u16, y: u16, text: &str, style: impl Into<Style>) -> u16 {
        if x >= self.area.width || y >= self.area.height {
            return x;
        }
        let text = if self.look.ascii {
            plain(text)
        } else {
            text.into()
        };
        let room = usize::from(self.area.width - x);
        let (ax, ay) = (self.area.x + x, self.area.y + y);
        let (end, _) = self.buf.set_stringn(ax, ay, text, room, style.into());
        end.saturating_sub(self.area.x)
    }

    pub fn line(&mut self, x: u16, y: u16, line: &Line<'_>) -> u16 {
        let spans = line.spans.iter();
        spans.fold(x, |x, s| self.text(x, y, &s.content, s.style))
    }

    /// Text at the left end and, where both fit with a gap, at the right end.
    pub fn row(&mut self, y: u16, left: &Line<'_>, right: &Line<'_>) {
        let end = self.line(0, y, left);
        let width = wrap::line_width(right) as u16;
        if width > 0 && end + 1 + width <= self.area.width {
            self.line(self.area.width - width, y, right);
        }
    }

    /// The first of the lines that fits, or the last one cut off.
    pub fn fitting(&mut self, y: u16, lines: &[Line<'_>]) {
        let fits = |l: &&Line| wrap::line_width(l) <= usize::from(self.area.width);
        if let Some(line) = lines.iter().find(fits).or(lines.last()) {
            self.line(0, y, line);
        }
    }

    /// A piece of text in the middle of the area, wrapped; for what is not there yet.
    pub fn placeholder(&mut self, text: &str) {
        let style = Style::new().fg(self.theme().faint);
        let width = usize::from(self.area.width);
        if width < 3 {
            return;
        }
        let lines = wrap::wrap(&[Span::styled(text.to_owned(), style)], width - 2);
        let top = self.area.height.saturating_sub(lines.len() as u16) / 2;
        for (i, line) in (0u16..).zip(&lines) {
            let free = width.saturating_sub(wrap::line_width(line));
            self.line((free / 2) as u16, top.saturating_add(i), line);
        }
    }

    /// One glyph; a colour of `Reset` is left to the cell.
    pub fn glyph(&mut self, x: u16, y: u16, glyph: char, fg: Color, bg: Option<Color>) {
        if x >= self.area.width || y >= self.area.height {
            return;
        }
        let glyph = if self.look.ascii { ascii(glyph) } else { glyph };
        let Some(cell) = self.buf.cell_mut((self.area.x + x, self.area.y + y)) else {
            return;
        };
        cell.set_char(glyph).set_fg(fg);
        if let Some(bg) = bg {
            cell.set_bg(bg);
        }
    }

    pub fn style(&mut self, area: Rect, style: Style) {
        let part = self.part(area).area;
        self.buf.set_style(part, style);
    }

    /// Turns a row into the selected one.
    pub fn select(&mut self, y: u16, rows: u16) {
        let style = if self.theme().depth == crate::tui::theme::Depth::None {
            Style::new().add_modifier(Modifier::REVERSED)
        } else {
            Style::new().bg(self.theme().selection)
        };
        let width = self.area.width;
        self.style(Rect::new(0, y, width, rows), style);
    }

    /// A horizontal bar of `width` cells: `shares` are 0–1, the longest first, each drawn over the
    /// ones before.
    pub fn bar(&mut self, x: u16, y: u16, width: u16, shares: &[(f64, Color)]) {
        const EIGHTHS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
        let coloured = self.theme().depth != crate::tui::theme::Depth::None && !self.look.ascii;
        // Without colours the bars differ by their glyphs.
        const SHADES: [char; 3] = ['░', '▒', '█'];
        for dx in 0..width {
            let mut under = None;
            for (i, &(share, colour)) in shares.iter().enumerate() {
                let share = if share.is_finite() {
                    share.clamp(0.0, 1.0)
                } else {
                    0.0
                };
                let cells = share * f64::from(width) - f64::from(dx);
                let last = i + 1 == shares.len();
                let mut part = (cells.clamp(0.0, 1.0) * 8.0).round() as usize;
                // Something is never nothing.
                if dx == 0 && share > 0.0 {
                    part = part.max(1);
                }
                if part == 0 {
                    continue;
                }
                if !coloured {
                    if part >= 4 || dx == 0 {
                        let shade = SHADES[if last { 2 } else { i.min(1) }];
                        self.glyph(x + dx, y, shade, colour, None);
                    }
                } else {
                    let glyph = EIGHTHS[part.min(8)];
                    self.glyph(x + dx, y, glyph, colour, under);
                    under = (part >= 8).then_some(colour);
                }
            }
        }
    }
}

/// A span in one colour.
pub fn span(text: impl Into<Cow<'static, str>>, colour: Color) -> Span<'static> {
    Span::styled(text, Style::new().fg(colour))
}

/// A span in one colour, bold.
pub fn strong(text: impl Into<Cow<'static, str>>, colour: Color) -> Span<'static> {
    Span::styled(text, Style::new().fg(colour).add_modifier(Modifier::BOLD))
}
