//! The whole conversation in one line.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::lines::View;
use crate::tui::observed::Observed;
use crate::tui::panel::pen::Pen;
use crate::tui::panel::scale::{digit, level, warmth};

/// How much of each stretch is held, over the average; the
/// part in view is marked.
pub fn strip(o: &Observed, view: &View, pen: &mut Pen) {
    let t = pen.theme();
    let holders = &o.picture.holders;
    let sum = |part: &[u16]| part.iter().map(|&n| f64::from(n)).sum::<f64>();
    let average = sum(holders) / holders.len().max(1) as f64;
    let pieces = o.text.pieces();
    let token = |line: usize, last: bool| {
        let line = view
            .lines
            .get(line.min(view.lines.len().saturating_sub(1)))?;
        let at = if last {
            line.end.checked_sub(1)?
        } else {
            line.start
        };
        pieces.get(at).map(|p| p.token)
    };
    let first = token(view.top, false).unwrap_or(0);
    let last = token(view.top + usize::from(view.rows.max(1)) - 1, true).unwrap_or(0);
    let width = usize::from(pen.width());
    let tokens = o.text.tokens().max(holders.len());
    for x in 0..pen.width() {
        let from = usize::from(x) * tokens / width;
        let to = ((usize::from(x) + 1) * tokens / width).max(from + 1);
        let part = holders.get(from..to.min(holders.len())).unwrap_or(&[]);
        // What is newer than the count is held everywhere.
        let ratio = match part {
            [] => 2.0,
            part if average > 0.0 => (sum(part) / part.len() as f64 / average) as f32,
            _ => 0.0,
        };
        let seen = from <= last && to > first;
        if t.colours_heat() && !pen.look().ascii {
            let heat = t.heat(warmth(ratio));
            match seen {
                true => pen.glyph(x, 0, '▄', t.text, Some(heat)),
                false => pen.glyph(x, 0, '█', heat, None),
            }
            continue;
        }
        let glyph = match pen.look().ascii {
            true => digit(ratio),
            false => level(ratio, 1, 0),
        };
        pen.glyph(x, 0, glyph, t.heat(warmth(ratio)), None);
        if seen {
            let reversed = Style::new().add_modifier(Modifier::REVERSED);
            pen.style(Rect::new(x, 0, 1, 1), reversed);
        }
    }
}
