//! Markdown tables, columns sized to fit.

use pulldown_cmark::Alignment;
use ratatui::text::{Line, Span};

use super::wrap;
use crate::tui::theme::Theme;

type Cell = Vec<Span<'static>>;

/// What ends a line of a cell or a block.
pub fn is_break(span: &Span<'_>) -> bool {
    span.content == "\n"
}

/// A table while it is read; the first row is its head.
#[derive(Clone, Debug)]
pub struct Table {
    alignments: Vec<Alignment>,
    /// Rows that are not laid out yet.
    rows: Vec<Vec<Cell>>,
    /// The columns, once [`SIZED_BY`] rows have said how wide they are.
    widths: Option<Vec<usize>>,
    /// Rows that are laid out, and whether the last of them takes several lines.
    done: usize,
    tall: bool,
    /// Text that opens a table with the same columns.
    pub head: Option<String>,
}

const GAP: usize = 2;

/// So many rows decide how wide the columns are: so a table that grows is not laid out again and
/// again.
const SIZED_BY: usize = 64;

impl Table {
    pub fn new(alignments: Vec<Alignment>, head: Option<String>) -> Self {
        Table {
            alignments,
            rows: Vec::new(),
            widths: None,
            done: 0,
            tall: false,
            head,
        }
    }

    /// The columns stay as they are, and every row so far is laid out.
    pub fn settled(&self) -> bool {
        self.widths.is_some() && self.rows.is_empty()
    }

    /// A row is complete: the lines that are final now.
    pub fn row_done(&mut self, room: usize, theme: &Theme) -> Vec<Line<'static>> {
        if self.widths.is_none() && self.rows.len() >= SIZED_BY {
            self.widths = Some(self.widths(room));
        }
        match self.widths.take() {
            Some(widths) => {
                let lines = self.lines(&widths, room, theme);
                self.widths = Some(widths);
                lines
            }
            None => Vec::new(),
        }
    }

    /// The table is complete: the rest of its lines.
    pub fn finish(mut self, room: usize, theme: &Theme) -> Vec<Line<'static>> {
        let widths = self.widths.take().unwrap_or_else(|| self.widths(room));
        self.lines(&widths, room, theme)
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

    /// What the cell has last.
    pub fn last(&self) -> Option<&Span<'static>> {
        self.rows.last()?.last()?.last()
    }

    /// The cell is complete: a break at its end breaks nothing.
    pub fn end_cell(&mut self) {
        if let Some(cell) = self.rows.last_mut().and_then(|r| r.last_mut()) {
            while cell.last().is_some_and(is_break) {
                cell.pop();
            }
        }
    }

    /// Column widths: natural where they fit, else the widest give way first.
    fn widths(&self, room: usize) -> Vec<usize> {
        let columns = self.alignments.len().max(1);
        let mut widths = vec![1; columns];
        for row in &self.rows {
            for (c, cell) in row.iter().enumerate().take(columns) {
                for line in cell.split(is_break) {
                    let w = line.iter().map(|s| wrap::width(&s.content)).sum();
                    widths[c] = widths[c].max(w);
                }
            }
        }
        let room = room.saturating_sub(GAP * (columns - 1)).max(columns);
        if widths.iter().sum::<usize>() <= room {
            return widths;
        }
        let capped = |cap: usize| widths.iter().map(|&w| w.min(cap)).sum::<usize>();
        let (mut cap, mut over) = (1, room + 1);
        while over - cap > 1 {
            let middle = (cap + over) / 2;
            match capped(middle) <= room {
                true => cap = middle,
                false => over = middle,
            }
        }
        let mut left = room.saturating_sub(capped(cap));
        for width in &mut widths {
            let wide = *width > cap;
            *width = (*width).min(cap) + usize::from(wide && left > 0);
            left = left.saturating_sub(usize::from(wide));
        }
        widths
    }

    /// Lays the rows out in `room` cells; where not even one cell a column fits, lines are cut. A
    /// row of several lines is ruled off from its neighbours.
    fn lines(&mut self, widths: &[usize], room: usize, theme: &Theme) -> Vec<Line<'static>> {
        let total = (widths.iter().sum::<usize>() + GAP * (widths.len() - 1)).min(room);
        let rule = |sign: &str| Line::from(Span::styled(sign.repeat(total), theme.faint));
        let mut out = Vec::new();
        for row in std::mem::take(&mut self.rows) {
            let cells: Vec<Vec<Line>> = widths
                .iter()
                .enumerate()
                .map(|(c, &w)| wrap::wrap(row.get(c).map_or(&[][..], |v| v), w))
                .collect();
            let height = cells.iter().map(Vec::len).max().unwrap_or(1);
            if self.done > 1 && (self.tall || height > 1) {
                out.push(rule("┄"));
            }
            for y in 0..height {
                out.push(self.line(&cells, widths, y, room));
            }
            if self.done == 0 {
                out.push(rule("─"));
            }
            self.tall = height > 1;
            self.done += 1;
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
