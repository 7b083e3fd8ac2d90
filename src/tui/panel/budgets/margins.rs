//! What stands around the map: numbers of layers and heads, retained mass, the legend.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::cells::shade_colour;
use super::grid::{Grid, Split};
use crate::human;
use crate::tui::observed::Observed;
use crate::tui::panel::pen::{Pen, span, strong};
use crate::tui::panel::scale::{digit, level};

/// Numbers of the layers (or heads) along the left side.
pub fn labels(grid: &Grid, cursor: Option<(usize, usize)>, pen: &mut Pen) {
    let t = pen.theme();
    let width = usize::from(grid.area.x);
    if width < 2 {
        return;
    }
    for y in grid.area.top()..grid.area.bottom() {
        let (first, second) = (
            grid.at(grid.area.x, y, false),
            grid.at(grid.area.x, y, true),
        );
        let Some((layer, head)) = first else { continue };
        let on = |unit: Option<(usize, usize)>| match (unit, cursor) {
            (Some(u), Some(c)) if grid.sideways => u.1 == c.1,
            (Some(u), Some(c)) => u.0 == c.0,
            _ => false,
        };
        let (number, here) = match grid.sideways {
            true => (head, on(first) || on(second)),
            // Of the two layers of a row, the one under the cursor is named.
            false => match second.filter(|_| on(second)) {
                Some((layer, _)) => (layer, true),
                None => (layer, on(first)),
            },
        };
        let middle = (y - grid.area.y) % grid.height == (grid.height - 1) / 2;
        // Every number would be noise on a tall map.
        let dense = grid.split == Split::Rows && !grid.sideways;
        if !middle || (!here && dense && (y - grid.area.y) % 2 == 1) {
            continue;
        }
        let text = match grid.sideways {
            true => format!("h{number:<w$}", w = width - 1),
            false => format!("{number:>w$} ", w = width - 1),
        };
        let style = if here {
            strong("", t.accent).style
        } else {
            Style::new().fg(t.faint)
        };
        pen.text(0, y, &text, style);
    }
}

/// Numbers of the layers under a map that lies on its side.
pub fn ticks(grid: &Grid, cursor: Option<(usize, usize)>, pen: &mut Pen) {
    let t = pen.theme();
    let y = grid.area.bottom();
    let mut free = 0;
    for x in grid.area.left()..grid.area.right() {
        let (Some((layer, _)), second) = (
            grid.at(x, grid.area.y, false),
            grid.at(x, grid.area.y, true),
        ) else {
            continue;
        };
        let ten = [Some(layer), second.map(|s| s.0)]
            .into_iter()
            .flatten()
            .find(|l| l % 10 == 0);
        if let Some(ten) = ten
            && x >= free
        {
            free = pen.text(x, y, &ten.to_string(), t.faint) + 1;
        }
    }
    if let Some((layer, _)) = cursor {
        let mut cells = grid.area.left()..grid.area.right();
        let here = |x: &u16| {
            [false, true]
                .iter()
                .any(|&s| grid.at(*x, grid.area.y, s).is_some_and(|u| u.0 == layer))
        };
        if let Some(x) = cells.find(here) {
            let text = format!(" {layer} ");
            let x = (x + 1).saturating_sub(text.len() as u16 / 2);
            pen.text(x.saturating_sub(1), y, &text, strong("", t.accent).style);
        }
    }
}

/// Retained mass of each layer beside a map that leaves room for it.
pub fn masses(o: &Observed, grid: &Grid, pen: &mut Pen) {
    let t = pen.theme();
    let x = grid.area.right() + 2;
    if grid.sideways || grid.split != Split::None || pen.width() < x + 24 {
        return;
    }
    for y in grid.area.top()..grid.area.bottom() {
        let Some((layer, _)) = grid.at(grid.area.x, y, false) else {
            continue;
        };
        let heads: Vec<(f32, f32)> = (0..o.kv_heads()).filter_map(|h| o.mass(layer, h)).collect();
        if heads.is_empty() || o.kept(layer, 0).is_none() {
            continue;
        }
        let mean = |of: fn(&(f32, f32)) -> f32| {
            heads.iter().map(of).map(f64::from).sum::<f64>() / heads.len() as f64
        };
        let (mass, uniform) = (mean(|m| m.0), mean(|m| m.1));
        let lines = [
            Line::from(vec![
                span(format!("mass {:>6}", human::percent(mass)), t.text),
                span(format!("  uniform {:>6}", human::percent(uniform)), t.dim),
            ]),
            Line::from(span(format!("mass {:>6}", human::percent(mass)), t.text)),
        ];
        let rest = Rect::new(x, y, pen.width() - x, 1);
        pen.part(rest).fitting(0, &lines);
    }
}

/// `½ ███████ 2× uniform` in the map's own colours, or `0 ▁▂▃▄▅▆▇ 2× uniform` in its glyphs.
pub fn legend(grid: &Grid, colours: bool, y: u16, pen: &mut Pen) {
    let t = pen.theme();
    let ascii = pen.look().ascii;
    let mut x = pen.text(0, y, if colours { "½ " } else { "0 " }, t.faint);
    let cells = pen.width().saturating_sub(16).clamp(5, 17);
    for i in 0..cells {
        let r = 2.0 * f32::from(i) / f32::from(cells - 1).max(1.0);
        if colours {
            pen.glyph(x, y, '█', t.heat(r), None);
        } else {
            let glyph = if ascii { digit(r) } else { level(r, 1, 0) };
            pen.glyph(x, y, glyph, shade_colour(Some(r), t), None);
        }
        x += 1;
    }
    x = pen.text(x, y, " 2× uniform", t.faint);
    if !grid.whole() && x + 9 <= pen.width() {
        pen.text(x, y, " (scrolls)", t.faint);
    }
}
