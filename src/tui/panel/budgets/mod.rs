//! The heat map: layer × KV head, coloured by what the head keeps over what uniform budgets would
//! give it.

mod grid;

use std::cell::Cell;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;

use self::grid::{Grid, Split};
use super::pen::{Pen, span, strong};
use super::scale::{digit, level, warmth};
use crate::tui::human;
use crate::tui::observed::Observed;
use crate::tui::text::wrap;
use crate::tui::theme::Theme;

/// The cursor on the map.
#[derive(Clone, Debug, Default)]
pub struct Budgets {
    cursor: Option<(usize, usize)>,
    /// As last drawn, for the keys that move over it and for clicks.
    drawn: Cell<Option<Grid>>,
}

/// `0.2–3.1×`: the least and the most any head keeps over uniform.
pub fn summary(o: &Observed) -> String {
    match extremes(o) {
        Some((low, high)) if high - low < 0.05 => "even".into(),
        Some((low, high)) => format!("{low:.1}–{high:.1}×"),
        None => String::new(),
    }
}

fn extremes(o: &Observed) -> Option<(f64, f64)> {
    let uniform = o.uniform()?;
    let known = o.picture.lens.iter().take(o.layers_known()).flatten();
    let shares = known.map(|&n| f64::from(n) / uniform);
    shares.fold(None, |seen, s| {
        let (low, high) = seen.unwrap_or((s, s));
        Some((low.min(s), high.max(s)))
    })
}

/// Half a line for a layer, and lines for the legend and the cursor's figures.
pub fn wanted(o: &Observed) -> u16 {
    match o.layers() {
        0 => 3,
        layers => layers.div_ceil(2).min(40) as u16 + 3,
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
        let figures = self.figures(o, pen);
        // What is dropped first when it gets tight: the legend, then the figures.
        let below = match height {
            0..=2 => 0,
            3..=5 => 1,
            _ => 1 + u16::from(figures.len() > 1),
        };
        let legend = u16::from(height > 6);
        let room = Rect::new(0, 0, width, height.saturating_sub(below + legend));
        let colours = coloured(pen);
        let Some(grid) = Grid::fit(layers, heads, room, colours, self.at(o)) else {
            return;
        };
        self.drawn.set(Some(grid));
        self.map(o, &grid, pen);
        labels(&grid, self.shown_cursor(o, pen), pen);
        if grid.sideways && room.bottom() > grid.area.bottom() {
            ticks(&grid, self.shown_cursor(o, pen), pen);
        }
        masses(o, &grid, pen);
        let mut y = height
            .saturating_sub(below + legend)
            .min(grid.area.bottom() + 1);
        if legend == 1 {
            draw_legend(&grid, colours, y, pen);
            y += 1;
        }
        for (i, line) in (0u16..).zip(figures.iter().take(usize::from(below))) {
            pen.line(0, y + i, line);
        }
    }

    /// The cursor, where it is to be seen: on the focused panel.
    fn shown_cursor(&self, o: &Observed, pen: &Pen) -> Option<(usize, usize)> {
        pen.look().focused.then(|| self.at(o))
    }

    /// Exact figures of the head under the cursor, or of the extremes; one line or two.
    fn figures(&self, o: &Observed, pen: &Pen) -> Vec<Line<'static>> {
        let t = pen.theme();
        let width = usize::from(pen.width());
        let parts = match self.shown_cursor(o, pen) {
            Some((layer, head)) => {
                let mut parts = vec![strong(format!("layer {layer} head {head}"), t.accent)];
                match (o.kept(layer, head), o.uniform()) {
                    (Some(n), Some(uniform)) => {
                        parts.push(span(human::thousands(n as usize), t.text));
                        parts.push(span(
                            format!("{:.2}× uniform", f64::from(n) / uniform),
                            t.text,
                        ));
                    }
                    (Some(_), None) => parts.push(span("empty", t.dim)),
                    (None, _) => parts.push(span("not there yet", t.dim)),
                }
                if let Some((mass, uniform)) = o.mass(layer, head) {
                    let mass = human::percent(f64::from(mass));
                    let uniform = human::percent(f64::from(uniform));
                    parts.push(span(format!("mass {mass}"), t.text));
                    parts.push(span(format!("uniform {uniform}"), t.dim));
                }
                parts
            }
            None => match (o.uniform(), o.picture.filled_layers) {
                (_, Some(n)) => vec![
                    span(format!("layer {n} of {}", o.layers()), t.accent),
                    span("prefill", t.dim),
                ],
                (Some(uniform), None) => {
                    let mut parts = vec![span(
                        format!(
                            "uniform {}/head",
                            human::thousands(uniform.round() as usize)
                        ),
                        t.dim,
                    )];
                    if let Some((layer, head, n)) = fullest(o).filter(|f| f.2 > uniform * 1.05) {
                        let n = n / uniform;
                        parts.push(span(format!("most {n:.1}× L{layer} h{head}"), t.dim));
                    }
                    parts
                }
                (None, None) => vec![span("nothing in the cache yet", t.faint)],
            },
        };
        let mut lines = vec![Line::default()];
        for part in parts {
            let line = lines.last().map_or(0, wrap::line_width);
            let separator = if line == 0 { "" } else { " · " };
            if line > 0 && line + 3 + wrap::width(&part.content) > width {
                lines.push(Line::from(part));
            } else if let Some(last) = lines.last_mut() {
                last.push_span(span(separator, t.faint));
                last.push_span(part);
            }
        }
        lines
    }

    fn map(&self, o: &Observed, grid: &Grid, pen: &mut Pen) {
        let t = pen.theme();
        let uniform = o.uniform();
        let ratio = |(layer, head): (usize, usize)| {
            let kept = o.kept(layer, head)?;
            Some(uniform.map_or(0.0, |u| (f64::from(kept) / u) as f32))
        };
        let cursor = self.shown_cursor(o, pen);
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
                if !colours {
                    let up = grid.height - 1 - (y - area.y) % grid.height;
                    let glyph = match ratio(unit) {
                        Some(r) if pen.look().ascii => digit(r),
                        Some(r) => level(r, grid.height, up),
                        None => '·',
                    };
                    let colour = shade_colour(ratio(unit), t);
                    pen.glyph(x, y, glyph, colour, None);
                    continue;
                }
                if grid.split == Split::None {
                    match ratio(unit).map(|r| t.heat(warmth(r))) {
                        Some(heat) => pen.glyph(x, y, ' ', heat, Some(heat)),
                        None => pen.glyph(x, y, '·', t.faint, None),
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
                    (None, None) => pen.glyph(x, y, '·', t.faint, None),
                }
            }
        }
        self.numbers(o, grid, &ratio, pen);
        if let Some(at) = cursor.filter(|_| grid.split == Split::None) {
            mark(grid, at, &ratio, pen);
        }
    }

    /// Entries as numbers where a cell has room for them.
    fn numbers(
        &self,
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
}

/// Colours alone carry the map; else glyphs do.
fn coloured(pen: &Pen) -> bool {
    pen.theme().colours_heat() && !pen.look().ascii
}

fn fullest(o: &Observed) -> Option<(usize, usize, f64)> {
    let layers = o.picture.lens.iter().take(o.layers_known()).enumerate();
    layers
        .flat_map(|(l, heads)| {
            heads
                .iter()
                .enumerate()
                .map(move |(h, &n)| (l, h, f64::from(n)))
        })
        .max_by(|a, b| a.2.total_cmp(&b.2))
}

fn shade_colour(ratio: Option<f32>, t: &Theme) -> Color {
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

/// Numbers of the layers (or heads) along the left side.
fn labels(grid: &Grid, cursor: Option<(usize, usize)>, pen: &mut Pen) {
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
        if !here && (!middle || dense && (y - grid.area.y) % 2 == 1) {
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
fn ticks(grid: &Grid, cursor: Option<(usize, usize)>, pen: &mut Pen) {
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
fn masses(o: &Observed, grid: &Grid, pen: &mut Pen) {
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
fn draw_legend(grid: &Grid, colours: bool, y: u16, pen: &mut Pen) {
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
