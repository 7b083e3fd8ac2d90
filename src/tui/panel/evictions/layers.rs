//! An opened round: what each of its layers and heads was left with.

use ratatui::text::Line;

use super::figures::{back, trigger};
use crate::engine::event::LayerEviction;
use crate::human;
use crate::tui::observed::Round;
use crate::tui::panel::pen::{Pen, span, strong};
use crate::tui::text::wrap;

/// Draws the round from layer row `scroll` on; returns how many layers there is room for.
pub fn render(round: &Round, scroll: usize, pen: &mut Pen) -> usize {
    let t = pen.theme();
    let r = &round.round;
    let head = Line::from(vec![
        strong(format!("{} ", round.clock), t.accent),
        span(format!("turn {} ", r.turn), t.text),
        trigger(r, t),
    ]);
    let close = Line::from(span("Esc closes", t.faint));
    pen.row(0, &head, &close);
    if r.layers.is_empty() {
        if pen.height() > 1 {
            pen.text(0, 1, "The layers of so old a round are not kept.", t.dim);
        }
        return 1;
    }
    let mut y = 1;
    if let Some(back) = back(r).filter(|_| pen.height() > 4) {
        let (n, of) = (&back.entries, &back.of);
        let share = human::percent_whole(back.share);
        let by = if back.each == "/head" {
            " per head"
        } else {
            ""
        };
        let line = |text: String| Line::from(span(text, t.user));
        let long = format!("{n} of {of}{by} came back from the archive ({share})");
        let short = format!("{n} of {of} came back ({share})");
        pen.fitting(
            y,
            &[line(long), line(short), line(format!("{share} came back"))],
        );
        y += 1;
    }
    let columns = Columns::new(&r.layers, pen.width());
    if pen.height() > y + 1 {
        columns.header(y, pen);
        y += 1;
    }
    let rows = usize::from(pen.height().saturating_sub(y));
    let from = scroll.min(r.layers.len().saturating_sub(rows));
    for (y, layer) in (y..).zip(r.layers.iter().skip(from).take(rows)) {
        columns.row(layer, y, pen);
    }
    rows
}

fn mean(values: &[f32]) -> Option<f64> {
    let sum: f64 = values.iter().map(|&v| f64::from(v)).sum();
    (!values.is_empty() && sum.is_finite()).then(|| sum / values.len() as f64)
}

/// Which columns there is room for.
struct Columns {
    /// Widest budget in digits.
    budget: usize,
    heads: usize,
    before: bool,
    uniform: bool,
    mass: bool,
    width: usize,
}

const LAYER: usize = 4;
const BEFORE: usize = 8;
const MASS: usize = 8;

impl Columns {
    fn new(layers: &[LayerEviction], width: u16) -> Columns {
        let width = usize::from(width);
        let widest = layers.iter().flat_map(|l| &l.budgets).max().unwrap_or(&0);
        let budget = human::thousands(*widest as usize).len();
        let heads = layers.iter().map(|l| l.budgets.len()).max().unwrap_or(0);
        // Far apart, figures are hard to read together.
        let width = width.min(LAYER + BEFORE + 2 + (budget + 1) * heads.max(3) + 2 * MASS + 4);
        let mut room = width.saturating_sub(LAYER + (budget + 1).max(5) * heads.min(3));
        let mut take = |cells: usize| {
            let fits = room >= cells;
            room -= if fits { cells } else { 0 };
            fits
        };
        let mass = take(MASS);
        let uniform = mass && take(MASS);
        let before = take(BEFORE + 2);
        Columns {
            budget,
            heads,
            before,
            uniform,
            mass,
            width,
        }
    }

    /// Cells for the budgets.
    fn room(&self) -> usize {
        let right = MASS * (usize::from(self.mass) + usize::from(self.uniform));
        let left = LAYER + if self.before { BEFORE + 2 } else { 0 };
        self.width.saturating_sub(left + right)
    }

    fn header(&self, y: u16, pen: &mut Pen) {
        let faint = pen.theme().faint;
        let mut x = pen.text(0, y, "  L ", faint);
        if self.before {
            x = pen.text(x, y, &format!("{:>BEFORE$}  ", "before"), faint);
        }
        let heads = if self.room() >= 13 {
            "kept per head"
        } else {
            "kept"
        };
        pen.text(x, y, &wrap::truncate(heads, self.room()), faint);
        let mut end = self.width;
        for (on, name) in [(self.uniform, "uniform"), (self.mass, "mass")] {
            if on {
                end -= MASS;
                pen.text(end as u16, y, &format!("{name:>MASS$}"), faint);
            }
        }
    }

    fn row(&self, layer: &LayerEviction, y: u16, pen: &mut Pen) {
        let t = pen.theme();
        let mut x = pen.text(0, y, &format!("{:>3} ", layer.layer), t.dim);
        if self.before {
            let heads = layer.budgets.len().max(1);
            let each = human::thousands((layer.before_entries + heads / 2) / heads);
            x = pen.text(x, y, &format!("{each:>BEFORE$} "), t.dim);
            x = pen.text(x, y, "→", t.faint);
        }
        let sum: f64 = layer.budgets.iter().map(|&n| f64::from(n)).sum();
        let uniform = sum / layer.budgets.len().max(1) as f64;
        let room = self.room();
        let fits = (self.budget + 1) * self.heads <= room;
        let end = usize::from(x) + room;
        for &n in &layer.budgets {
            let text = if fits {
                format!("{:>w$}", human::thousands(n as usize), w = self.budget + 1)
            } else {
                format!(" {}", human::short(n as usize))
            };
            if usize::from(x) + text.len() + usize::from(!fits) > end {
                pen.text(x, y, "…", t.faint);
                break;
            }
            let share = if uniform > 0.0 {
                f64::from(n) / uniform
            } else {
                0.0
            };
            x = if share > 1.05 {
                pen.text(x, y, &text, strong("", t.text).style)
            } else {
                pen.text(x, y, &text, if share < 0.6 { t.faint } else { t.dim })
            };
        }
        let mut end = self.width;
        let columns = [
            (self.uniform, &layer.uniform_retained, t.dim),
            (self.mass, &layer.retained, t.text),
        ];
        for (on, values, colour) in columns {
            if on {
                end -= MASS;
                let text = mean(values).map_or("-".into(), human::percent);
                pen.text(end as u16, y, &format!("{text:>MASS$}"), colour);
            }
        }
    }
}
