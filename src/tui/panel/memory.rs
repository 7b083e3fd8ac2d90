//! What the cache takes, what a full one would take, and how that went.

use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::text::{Line, Span};

use super::graph;
use super::pen::{Pen, span, strong};
use crate::human;
use crate::tui::observed::Observed;
use crate::tui::text::wrap;
use crate::tui::theme::{Depth, Theme};

pub fn summary(o: &Observed) -> String {
    match (o.saved(), o.picture.filled_layers) {
        (Some(saved), _) if saved > 0.0 => format!("saved {}", human::percent_whole(saved)),
        (Some(_), _) => human::bytes(o.picture.used_bytes),
        (None, Some(n)) => format!("filling {n}/{}", o.layers()),
        (None, None) => String::new(),
    }
}

/// Figures, the bar and a graph of three rows.
pub fn wanted(o: &Observed, width: u16) -> u16 {
    if empty(o) {
        return 2;
    }
    let items = figures(o, &Theme::default());
    2 + items.len().div_ceil(per_row(&items, width)) as u16 + 3
}

fn empty(o: &Observed) -> bool {
    o.picture.full_bytes == 0 && o.picture.allocated_bytes == 0
}

/// What stands below the bar, the most telling first.
fn figures(o: &Observed, t: &Theme) -> Vec<Line<'static>> {
    let p = &o.picture;
    let figure = |swatch: Option<(&'static str, Color)>, n: String, what: &'static str| {
        let mut spans: Vec<Span> = swatch.map(|c| span(c.0, c.1)).into_iter().collect();
        spans.extend([span(n, t.text), span(what, t.dim)]);
        Line::from(spans)
    };
    // As the bar is drawn, with colours and without.
    let (full, allocated) = match t.depth {
        Depth::None => ("░ ", "▒ "),
        _ => ("■ ", "■ "),
    };
    let mut out = vec![
        figure(
            Some((full, t.track)),
            human::bytes(p.full_bytes),
            " full cache",
        ),
        figure(
            Some((allocated, t.faint)),
            human::bytes(p.allocated_bytes),
            " allocated",
        ),
        figure(None, human::bytes(p.process.resident), " whole process"),
    ];
    if let Some(bound) = p.bound_entries {
        let entries: u64 = p.lens.iter().flatten().map(|&n| u64::from(n)).sum();
        let share = entries as f64 / bound.max(1) as f64;
        out.push(figure(None, human::percent_whole(share), " of the budgets"));
    }
    out
}

fn per_row(items: &[Line], width: u16) -> usize {
    let widest = items.iter().map(wrap::line_width).max().unwrap_or(0);
    (usize::from(width) / (widest + 2)).clamp(1, items.len().max(1))
}

pub fn render(o: &Observed, pen: &mut Pen) {
    let t = pen.theme();
    let p = &o.picture;
    if empty(o) {
        return pen.placeholder("The cache is empty. It fills with the first question.");
    }
    let used = human::bytes(p.used_bytes);
    let width = pen.width();
    let mut left = vec![strong(used, t.text), span(" resident", t.dim)];
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
    let items = figures(o, t);
    let in_row = per_row(&items, width);
    let step = width / in_row as u16;
    let mut y = 2;
    for row in items.chunks(in_row) {
        for (i, item) in (0u16..).zip(row) {
            pen.line(i * step, y, item);
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
