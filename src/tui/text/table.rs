//! Markdown tables, columns sized to fit.

use pulldown_cmark::Alignment;
use ratatui::text::{Line, Span};

use super::wrap;
use crate::tui::theme::Theme;

type Cell = Vec<Span<'static>>;

/// A table while it is read; the first row is its head.
#[derive(Debug)]
pub struct Table {
    alignments: Vec<Alignment>,
    rows: Vec<Vec<Cell>>,
}

const GAP: usize = 2;

impl Table {
    pub fn new(alignments: Vec<Alignment>) -> Self {
        Table {
            alignments,
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self) {
        self.rows.push(Vec::new());
    }

    pub fn cell(&mut self) {
        if let Some(row) = self.rows.last_mut() {
            row.push(Vec::new());
        }
    }

    pub fn push(&mut self, span: Span<'static>) {
        if let Some(cell) = self.rows.last_mut().and_then(|r| r.last_mut()) {
            cell.push(span);
        }
    }

    /// Column widths: natural where they fit, else the widest give way first.
    fn widths(&self, room: usize) -> Vec<usize> {
        let columns = self.alignments.len().max(1);
        let mut widths = vec![1; columns];
        for row in &self.rows {
            for (c, cell) in row.iter().enumerate().take(columns) {
                let w = cell.iter().map(|s| wrap::width(&s.content)).sum();
                widths[c] = widths[c].max(w);
            }
        }
        let room = room.saturating_sub(GAP * (columns - 1)).max(columns);
        while widths.iter().sum::<usize>() > room {
            let Some(widest) = widths.iter_mut().max() else {
                break;
            };
            *widest -= 1;
        }
        widths
    }

    /// Lays the table out in `room` cells; where not even one cell a column fits, lines are cut.
    pub fn lines(&self, room: usize, theme: &Theme) -> Vec<Line<'static>> {
        let widths = self.widths(room);
        let total = (widths.iter().sum::<usize>() + GAP * (widths.len() - 1)).min(room);
        let mut out = Vec::new();
        for (r, row) in self.rows.iter().enumerate() {
            let cells: Vec<Vec<Line>> = widths
                .iter()
                .enumerate()
                .map(|(c, &w)| wrap::wrap(row.get(c).map_or(&[][..], |v| v), w))
                .collect();
            let height = cells.iter().map(Vec::len).max().unwrap_or(1);
            for y in 0..height {
                out.push(self.line(&cells, &widths, y, room));
            }
            if r == 0 {
                out.push(Line::from(Span::styled("─".repeat(total), theme.faint)));
            }
        }
        out
    }

    fn line(
        &self,
        cells: &[Vec<Line<'static>>],
        widths: &[usize],
        y: usize,
        room: usize,
    ) -> Line<'static> {
        let mut spans = Vec::new();
        let mut used = 0;
        for (c, &w) in widths.iter().enumerate() {
            if used + w > room {
                break;
            }
            let line = cells[c].get(y).cloned().unwrap_or_default();
            let free = w.saturating_sub(wrap::line_width(&line));
            let left = match self.alignments.get(c) {
                Some(Alignment::Right) => free,
                Some(Alignment::Center) => free / 2,
                _ => 0,
            };
            let gap = if c + 1 < widths.len() { GAP } else { 0 };
            spans.push(Span::raw(" ".repeat(left)));
            spans.extend(line.spans);
            spans.push(Span::raw(
                " ".repeat((free - left + gap).min(room - used - w + free - left)),
            ));
            used += w + gap;
        }
        Line::from(spans)
    }
}
