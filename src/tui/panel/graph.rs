//! A measurement over time as columns of eighth blocks.

use ratatui::layout::Rect;

use super::pen::Pen;
use crate::tui::observed::series::{Point, Series};
use crate::tui::theme::Depth;

const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Eighths of the cell `up` rows above the ground that a column of `height` rows fills.
fn eighths(share: f64, height: u16, up: u16) -> usize {
    if !share.is_finite() || share <= 0.0 {
        return 0;
    }
    let total = (share.min(1.0) * f64::from(height) * 8.0).round().max(1.0);
    (total - f64::from(up) * 8.0).clamp(0.0, 8.0) as usize
}

/// Draws a series over the whole area: with room its scale at the left, `label` being what `most`
/// is called, and its marks above it under the name `marks`.
pub fn history(pen: &mut Pen, series: &Series, most: f64, label: &str, marks: Option<&str>) {
    let t = pen.theme();
    let (width, height) = (pen.width(), pen.height());
    let marks = marks.filter(|_| height >= 2 && series.points().iter().any(|p| p.mark));
    let top = u16::from(marks.is_some());
    let left = match width >= 44 && height >= 4 {
        true => label.len() as u16 + 1,
        false => 0,
    };
    if left > 0 {
        pen.text(0, top, label, t.faint);
        pen.text(left - 2, height - 1, "0", t.faint);
    }
    let columns = series.columns(usize::from(width.saturating_sub(left)));
    if let Some(name) = marks {
        // Named where there is room left of the first mark.
        if columns.iter().take(name.len() + 2).all(|p| !p.mark) {
            pen.text(left, 0, name, t.faint);
        }
        for (x, _) in (left..).zip(&columns).filter(|(_, p)| p.mark) {
            pen.glyph(x, 0, '▾', t.warning, None);
        }
    }
    let area = Rect::new(
        left,
        top,
        width.saturating_sub(left),
        height.saturating_sub(top),
    );
    draw(&mut pen.part(area), &columns, most);
}

/// Draws `points`, one a column, over the whole area: `value` in front of `over`, both as shares
/// of `most`.
fn draw(pen: &mut Pen, points: &[Point], most: f64) {
    let (bar, track, body) = (pen.theme().bar, pen.theme().track, pen.theme().bar_body());
    let colours = pen.theme().depth != Depth::None;
    let height = pen.height();
    let share = |v: f64| if most > 0.0 { v / most } else { 0.0 };
    for (x, point) in (0..pen.width()).zip(points) {
        for up in 0..height {
            let front = eighths(share(point.value), height, up);
            let back = eighths(share(point.over), height, up);
            let y = height - 1 - up;
            match (front, back) {
                (0, 0) => {}
                (0, back) if colours => pen.glyph(x, y, EIGHTHS[back], track, None),
                // Shades stand for the colour that is missing; a partly filled cell rounds.
                (0, back) if back >= 4 => pen.glyph(x, y, '░', track, None),
                (0, _) => {}
                (front, back) if front < 8 && back > front && colours => {
                    let behind = (back == 8).then_some(track);
                    pen.glyph(x, y, EIGHTHS[front], bar, behind);
                }
                // Without anything behind it, the body steps back and the course stands out.
                (8, 0) if colours && eighths(share(point.value), height, up + 1) > 0 => {
                    pen.glyph(x, y, '█', body, None);
                }
                (front, _) => pen.glyph(x, y, EIGHTHS[front], bar, None),
            }
        }
    }
}
