//! The cells of the map: in colours, as glyphs, or as numbers where there is room.

use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::grid::{Grid, Split};
use super::windows::{self, HATCH};
use crate::human;
use crate::tui::observed::Observed;
use crate::tui::panel::pen::Pen;
use crate::tui::panel::scale::{digit, level, warmth};
use crate::tui::theme::Theme;

/// Colours alone carry the map; else glyphs do.
pub fn coloured(pen: &Pen) -> bool {
    pen.theme().colours_heat() && !pen.look().ascii
}

/// Draws the map.
pub fn cells(o: &Observed, grid: &Grid, cursor: Option<(usize, usize)>, pen: &mut Pen) {
    let t = pen.theme();
    let uniform = o.uniform();
    // What a window bounds has no place on the scale.
    let ratio = |(layer, head): (usize, usize)| {
        let kept = o.kept(layer, head).filter(|_| o.grows(layer))?;
        match uniform {
            Some(uniform) => Some((f64::from(kept) / uniform) as f32),
            // Read, and set aside until budgets are given; an empty cache has no shares.
            None => o.picture.filled_layers.map(|_| 0.0),
        }
    };
    let colours = coloured(pen);
    let area = grid.area;
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            let first = grid.at(x, y, false);
            let Some(unit) = first else { continue };
            let second = grid.at(x, y, true).filter(|_| grid.split != Split::None);
            let colour = |unit: (usize, usize)| match ratio(unit) {
                _ if cursor == Some(unit) => Some(t.text),
                ratio => ratio.map(|r| t.heat(warmth(r))),
            };
            // Where no head of the cell has a ratio.
            let apart = if windows::filled(o, unit) {
                HATCH
            } else {
                '·'
            };
            if !colours {
                let up = grid.height - 1 - (y - area.y) % grid.height;
                let glyph = match ratio(unit) {
                    Some(r) if pen.look().ascii => digit(r),
                    Some(r) => level(r, grid.height, up),
                    None => apart,
                };
                let colour = shade_colour(ratio(unit), t);
                pen.glyph(x, y, glyph, colour, None);
                continue;
            }
            if grid.split == Split::None {
                match ratio(unit).map(|r| t.heat(warmth(r))) {
                    Some(heat) => pen.glyph(x, y, ' ', heat, Some(heat)),
                    None => pen.glyph(x, y, apart, t.faint, None),
                }
                continue;
            }
            let (one, two) = match grid.split {
                Split::Columns => ('▌', '▐'),
                _ => ('▀', '▄'),
            };
            match (colour(unit), second.and_then(colour)) {
                (Some(a), Some(b)) => pen.glyph(x, y, one, a, Some(b)),
                (Some(a), None) => pen.glyph(x, y, one, a, None),
                (None, Some(b)) => pen.glyph(x, y, two, b, None),
                (None, None) => pen.glyph(x, y, apart, t.faint, None),
            }
        }
    }
    numbers(o, grid, &ratio, pen);
    windows::names(o, grid, pen);
    if let Some(at) = cursor.filter(|_| grid.split == Split::None) {
        mark(grid, at, &ratio, pen);
    }
}

/// Entries as numbers where a cell has room for them.
fn numbers(
    o: &Observed,
    grid: &Grid,
    ratio: &dyn Fn((usize, usize)) -> Option<f32>,
    pen: &mut Pen,
) {
    if grid.split != Split::None || grid.width < 6 {
        return;
    }
    let t = pen.theme();
    for y in grid.area.top()..grid.area.bottom() {
        for x in (grid.area.left()..grid.area.right()).step_by(usize::from(grid.width)) {
            let middle = (y - grid.area.y) % grid.height == (grid.height - 1) / 2;
            let Some(unit) = grid.at(x, y, false).filter(|_| middle) else {
                continue;
            };
            let (Some(n), Some(r)) = (o.kept(unit.0, unit.1), ratio(unit)) else {
                continue;
            };
            let width = usize::from(grid.width);
            let text = human::thousands(n as usize);
            let text = if text.len() + 2 > width {
                human::short(n as usize)
            } else {
                text
            };
            if coloured(pen) {
                let left = width.saturating_sub(text.len()).div_ceil(2) as u16;
                pen.text(x + left, y, &text, t.on_heat(warmth(r)));
            } else {
                // The figure with a small bar instead of a row of bars.
                let glyph = if pen.look().ascii {
                    ' '
                } else {
                    level(r, 1, 0)
                };
                pen.text(x, y, &format!("{text:>w$} ", w = width - 2), t.text);
                pen.glyph(x + grid.width - 1, y, glyph, shade_colour(Some(r), t), None);
            }
        }
    }
}

/// The colour of a glyph that carries the heat itself.
pub fn shade_colour(ratio: Option<f32>, t: &Theme) -> Color {
    match ratio {
        None => t.faint,
        Some(r) => t.heat(warmth(r)),
    }
}

/// Brackets around the cell under the cursor.
fn mark(
    grid: &Grid,
    at: (usize, usize),
    ratio: &dyn Fn((usize, usize)) -> Option<f32>,
    pen: &mut Pen,
) {
    let t = pen.theme();
    let colours = coloured(pen);
    for y in grid.area.top()..grid.area.bottom() {
        let row = grid.area.left()..grid.area.right();
        let cells: Vec<u16> = row.filter(|&x| grid.at(x, y, false) == Some(at)).collect();
        let (Some(&left), Some(&right)) = (cells.first(), cells.last()) else {
            continue;
        };
        let fg = match ratio(at) {
            Some(r) if colours => t.on_heat(warmth(r)),
            _ => t.text,
        };
        if !colours {
            let area = Rect::new(left, y, right - left + 1, 1);
            pen.style(area, Style::new().add_modifier(Modifier::REVERSED));
        } else if left == right {
            pen.glyph(left, y, '■', fg, None);
        } else {
            let bold = Style::new().fg(fg).add_modifier(Modifier::BOLD);
            pen.text(left, y, "[", bold);
            pen.text(right, y, "]", bold);
        }
    }
}
