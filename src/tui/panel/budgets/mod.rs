//! The heat map: layer × KV head, coloured by what the head keeps over what uniform budgets would
//! give it.

mod cells;
mod figures;
mod grid;
mod margins;
mod windows;

use std::cell::Cell;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use self::cells::{cells, coloured};
use self::figures::figures;
use self::grid::Grid;
use self::margins::{labels, legend, masses, ticks};
use super::pen::Pen;
use crate::tui::observed::Observed;

/// The cursor on the map.
#[derive(Clone, Debug, Default)]
pub struct Budgets {
    cursor: Option<(usize, usize)>,
    /// As last drawn, for the keys that move over it and for clicks.
    drawn: Cell<Option<Grid>>,
}

/// `0.2–3.1×`: the least and the most any head that a policy bounds keeps over uniform.
pub fn summary(o: &Observed) -> String {
    match extremes(o) {
        Some((low, high)) if high - low < 0.05 => "even".into(),
        Some((low, high)) => format!("{low:.1}–{high:.1}×"),
        None => String::new(),
    }
}

fn extremes(o: &Observed) -> Option<(f64, f64)> {
    let uniform = o.uniform()?;
    let shares = o.growing().map(|(_, _, n)| f64::from(n) / uniform);
    shares.fold(None, |seen, s| {
        let (low, high) = seen.unwrap_or((s, s));
        Some((low.min(s), high.max(s)))
    })
}

/// Half a line for a layer, and lines for the legends and the cursor's figures.
pub fn wanted(o: &Observed) -> u16 {
    match o.layers() {
        0 => 3,
        layers => layers.div_ceil(2).min(40) as u16 + 3 + u16::from(windows::any(o)),
    }
}

impl Budgets {
    fn at(&self, o: &Observed) -> (usize, usize) {
        let (layer, head) = self.cursor.unwrap_or((0, 0));
        (
            layer.min(o.layers().saturating_sub(1)),
            head.min(o.kv_heads().saturating_sub(1)),
        )
    }

    pub fn key(&mut self, key: KeyEvent, o: &Observed) -> bool {
        let (layers, heads) = (o.layers(), o.kv_heads());
        if layers == 0 || heads == 0 {
            return false;
        }
        let (layer, head) = self.at(o);
        let sideways = self.drawn.get().is_some_and(|g| g.sideways);
        let last = (layers - 1, heads - 1);
        let up = |n: usize, last: usize| (n + 1).min(last);
        // As the map lies: the last layer is on top, or at the right end.
        let to = match (key.code, sideways) {
            (KeyCode::Up, false) | (KeyCode::Right, true) => (up(layer, last.0), head),
            (KeyCode::Down, false) | (KeyCode::Left, true) => (layer.saturating_sub(1), head),
            (KeyCode::Right, false) | (KeyCode::Down, true) => (layer, up(head, last.1)),
            (KeyCode::Left, false) | (KeyCode::Up, true) => (layer, head.saturating_sub(1)),
            (KeyCode::PageUp, _) => ((layer + 8).min(last.0), head),
            (KeyCode::PageDown, _) => (layer.saturating_sub(8), head),
            (KeyCode::Home, _) => (last.0, 0),
            (KeyCode::End, _) => (0, last.1),
            _ => return false,
        };
        self.cursor = Some(to);
        true
    }

    /// A click at a cell of the terminal; `area` as the panel was drawn in.
    pub fn click(&mut self, area: Rect, column: u16, row: u16) {
        let local = (column.checked_sub(area.x), row.checked_sub(area.y));
        if let (Some(x), Some(y)) = local
            && let Some(at) = self.drawn.get().and_then(|g| g.at(x, y, false))
        {
            self.cursor = Some(at);
        }
    }

    pub fn render(&self, o: &Observed, pen: &mut Pen) {
        let (layers, heads) = (o.layers(), o.kv_heads());
        self.drawn.set(None);
        if layers == 0 || heads == 0 {
            return pen.placeholder("The map of the cache appears when a model is loaded.");
        }
        let (width, height) = (pen.width(), pen.height());
        // The cursor is to be seen on the focused panel.
        let cursor = pen.look().focused.then(|| self.at(o));
        let figures = figures(o, cursor, pen);
        // What is dropped first when it gets tight: the legend, then the figures.
        let below = match height {
            0..=2 => 0,
            3..=5 => 1,
            _ => 1 + u16::from(figures.len() > 1),
        };
        // Layers that a window bounds are told apart where there is a line for it.
        let windows_line = u16::from(height > 7 && windows::any(o));
        let scale = u16::from(height > 6);
        let colours = coloured(pen);
        let fit = |below: u16, scale: u16| {
            let lines = below + scale + windows_line;
            let room = Rect::new(0, 0, width, height.saturating_sub(lines));
            let grid = Grid::fit(layers, heads, room, colours, self.at(o))?;
            Some((grid, below, scale))
        };
        // A second line of figures does not turn the map around: the scale gives way to the cursor's, others
        // to the scale.
        let one = (below.min(1), scale);
        let ways = match cursor {
            Some(_) => [(below, scale), (below, 0), one],
            None => [(below, scale), one, one],
        };
        let ways = ways.map(|(below, scale)| fit(below, scale));
        let lies = |way: &Option<(Grid, u16, u16)>| way.is_some_and(|(grid, ..)| grid.sideways);
        let alone = lies(&ways[2]);
        let Some((grid, below, scale)) = ways.into_iter().find(|w| lies(w) == alone).flatten()
        else {
            return;
        };
        let legend_lines = scale + windows_line;
        self.drawn.set(Some(grid));
        cells(o, &grid, cursor, pen);
        labels(&grid, cursor, pen);
        let above = height.saturating_sub(below + legend_lines);
        if grid.sideways && above > grid.area.bottom() {
            ticks(&grid, cursor, pen);
        }
        masses(o, &grid, pen);
        let mut y = above.min(grid.area.bottom() + 1);
        if scale > 0 {
            legend(&grid, colours, y, pen);
            y += 1;
        }
        if windows_line > 0 {
            windows::legend(o, y, pen);
            y += 1;
        }
        for (i, line) in (0u16..).zip(figures.iter().take(usize::from(below))) {
            pen.line(0, y + i, line);
        }
    }
}
