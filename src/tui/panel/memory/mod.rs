//! What the cache takes, what a full one would take, and how that went; the archive; the process.

mod figures;
mod process;

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use self::figures::figures;
use super::graph;
use super::pen::{Pen, span, strong};
use crate::human;
use crate::tui::observed::Observed;
use crate::tui::text::wrap;
use crate::tui::theme::Theme;

pub fn summary(o: &Observed) -> String {
    match (o.saved(), o.picture.filled_layers) {
        (Some(saved), _) if saved > 0.0 => format!("saved {}", human::percent_whole(saved)),
        (Some(_), _) => human::bytes(o.picture.used_bytes),
        (None, Some(n)) => format!("filling {n}/{}", o.layers()),
        (None, None) => String::new(),
    }
}

/// Width from which figures stand beside each other.
const COLUMNS: u16 = 36;

/// Figures, the bar and a graph of three rows.
pub fn wanted(o: &Observed, width: u16) -> u16 {
    if empty(o) {
        return 2;
    }
    // Where they stand below each other, the most telling ones.
    let few = 3 + usize::from(o.growing_layers() < o.layers());
    let rows = if width < COLUMNS { few } else { usize::MAX };
    2 + figures(o, &Theme::default(), width, rows).len() as u16 + 3
}

fn empty(o: &Observed) -> bool {
    o.picture.full_bytes == 0 && o.picture.allocated_bytes == 0
}

pub fn render(o: &Observed, pen: &mut Pen) {
    let t = pen.theme();
    let p = &o.picture;
    if empty(o) {
        return pen.placeholder("The cache is empty. It fills with the first question.");
    }
    let used = human::bytes(p.used_bytes);
    let width = pen.width();
    let mut left = vec![strong(used, t.text), span(" kept", t.dim)];
    let right = match (o.saved(), p.filled_layers) {
        (Some(s), _) if s > 0.0 => [
            strong(format!("saved {}", human::percent(s)), t.good),
            strong(format!("saved {}", human::percent_whole(s)), t.good),
        ],
        (Some(_), _) => [span("nothing evicted", t.dim), span("all kept", t.dim)],
        (None, n) => {
            let n = n.unwrap_or(0);
            [
                span(format!("layer {n} of {}", o.layers()), t.accent),
                span(format!("{n}/{}", o.layers()), t.accent),
            ]
        }
    };
    // The words give way to the figures.
    let room = |left: &[Span], right: &Span| {
        let left: usize = left.iter().map(|s| wrap::width(&s.content)).sum();
        left + 1 + wrap::width(&right.content) <= usize::from(width)
    };
    let [long, short] = right;
    let right = if room(&left, &long) { long } else { short };
    if !room(&left, &right) {
        left.truncate(1);
    }
    pen.row(0, &Line::from(left), &Line::from(right));
    let most = p.full_bytes.max(p.allocated_bytes).max(p.used_bytes).max(1) as f64;
    pen.bar(
        0,
        1,
        width,
        &[
            (p.full_bytes as f64 / most, t.track),
            (p.allocated_bytes as f64 / most, t.faint),
            (p.used_bytes as f64 / most, t.bar),
        ],
    );
    // A low panel has figures only, one with more room the graph too.
    let rows = match pen.height().saturating_sub(2) {
        few @ 0..=3 => few,
        more => more - 2,
    };
    let mut y = 2;
    for row in figures(o, t, width, rows.into()) {
        for (x, figure) in row {
            pen.line(x, y, &figure);
        }
        y += 1;
    }
    if pen.height() > y {
        let rest = Rect::new(0, y, width, pen.height() - y);
        let points = o.memory.points().iter();
        let most = points.fold(0.0f64, |m, p| m.max(p.value).max(p.over));
        let label = human::bytes(most as u64);
        graph::history(
            &mut pen.part(rest),
            &o.memory,
            most,
            &label,
            Some("evictions"),
        );
    }
}
