//! How much is where: in the title, and in the last two lines, with what the colours say and the figures of
//! the cursor.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::held::{Place, held_ratio, place, shares, style};
use crate::human;
use crate::tui::observed::Observed;
use crate::tui::panel::pen::{Pen, span, strong};
use crate::tui::text::wrap;
use crate::tui::theme::{Depth, Theme};

/// How much of what the heads could hold is in the cache, and where the rest is.
pub fn summary(o: &Observed) -> String {
    let Some(shares) = shares(o) else {
        return String::new();
    };
    let cache = format!("{} % in cache", shares.cache);
    match (shares.archived, shares.gone) {
        (0, 0) => "all in cache".into(),
        (_, 0) => format!("{cache} · rest archived"),
        (0, _) => format!("{cache} · rest gone"),
        (archived, _) => format!("{cache} · {archived} % archived"),
    }
}

/// What the colours say; beside it, where there is room, how much is where.
pub fn legend(o: &Observed, y: u16, pen: &mut Pen) {
    let t = pen.theme();
    let heads = match o.all_heads() {
        0 => "all heads".to_string(),
        n => format!("all {n} heads"),
    };
    let sample = |place, text: &'static str| Span::styled(text, style(place, t));
    let dots = pen.look().ascii && t.depth == Depth::None;
    let (gone, archived) = match dots {
        true => (span(".... gone", t.faint), span("archived_only", t.dim)),
        false => (
            sample(Place::Gone, "gone"),
            sample(Place::Archive, "archived"),
        ),
    };
    // What there is none of is not explained.
    let absent = match shares(o) {
        Some(shares) if shares.gone > 0 && shares.archived > 0 => vec![gone, archived],
        Some(shares) if shares.gone > 0 => vec![gone],
        Some(_) if o.archives() => vec![archived],
        _ => vec![gone],
    };
    let mut x = 0;
    for what in absent {
        x = pen.line(x, y, &Line::from(vec![what, span(" · ", t.faint)]));
    }
    if t.colours_heat() {
        x = pen.text(x, y, "1 ", t.faint);
        let cells = pen.width().saturating_sub(x + heads.len() as u16 + 1);
        let cells = cells.min(16);
        for i in 1..=cells {
            let ratio = held_ratio(f64::from(i) / f64::from(cells));
            pen.style(Rect::new(x, y, 1, 1), Style::new().bg(t.tint(ratio)));
            x += 1;
        }
        x = pen.text(x + 1, y, &heads, t.faint);
    } else {
        let (some, most) = (Place::Cache(0.2), Place::Cache(1.0));
        let line = |of: &str| {
            let (some, most) = (sample(some, "some"), sample(most, "most"));
            Line::from(vec![
                some,
                span(" · ", t.faint),
                most,
                span(of.to_owned(), t.faint),
            ])
        };
        let of = format!(" of {}", heads.trim_start_matches("all "));
        let lines = [line(&of), line(" heads")];
        let room = usize::from(pen.width().saturating_sub(x));
        let fits = |l: &&Line| wrap::line_width(l) <= room;
        let chosen = lines.iter().find(fits).unwrap_or(&lines[1]);
        x = pen.line(x, y, chosen);
    }
    let room = usize::from(pen.width().saturating_sub(x)).saturating_sub(3);
    let told = everywhere(o)
        .into_iter()
        .find(|text| wrap::width(text) <= room);
    if let Some(text) = told {
        let x = pen.width() - wrap::width(&text) as u16;
        pen.text(x, y, &text, t.dim);
    }
}

/// How much is where, the longest first.
fn everywhere(o: &Observed) -> Vec<String> {
    let Some(shares) = shares(o) else {
        return Vec::new();
    };
    let (cache, archived) = (shares.cache, shares.archived);
    let rest = match (archived, shares.gone) {
        (0, 0) => return vec!["everything is in the cache".into()],
        (_, 0) => "the rest archived".to_owned(),
        (0, _) => "the rest gone".to_owned(),
        (_, gone) => format!("{archived} % archived · {gone} % gone"),
    };
    vec![
        format!("{cache} % of what heads could hold is in the cache · {rest}"),
        format!("{cache} % in the cache · {rest}"),
    ]
}

/// The token under the cursor in full, or how much is where.
pub fn figures(o: &Observed, at: usize, focused: bool, t: &Theme) -> Vec<Line<'static>> {
    let holders = &o.picture.holders;
    if !focused {
        let lines = everywhere(o).into_iter();
        let mut lines: Vec<Line> = lines.map(|text| Line::from(span(text, t.dim))).collect();
        lines.push(Line::from(span(summary(o), t.dim)));
        return lines;
    }
    let raw = o.tokens.get(at).map_or("", String::as_str);
    let text = wrap::truncate(&format!("{raw:?}"), 24);
    let number = format!("#{}", human::thousands(at));
    let also = if at < o.archived() {
        " · archived"
    } else {
        ""
    };
    let held = match (place(o, at), holders.get(at), o.all_heads()) {
        (Place::Unknown, ..) => "holders not told yet".to_string(),
        (Place::Archive, ..) => "archived; no head holds it now".to_string(),
        (Place::Gone, ..) => "gone: no head holds it".to_string(),
        (_, Some(n), all) if all > 0 => format!("held by {n} of {all} heads{also}"),
        (_, Some(n), _) => format!("held by {n} heads{also}"),
        (_, None, _) => "held by every head".to_string(),
    };
    let short = held.trim_end_matches(also).to_owned();
    let line = |held: String| {
        Line::from(vec![
            strong(format!("{number} "), t.accent),
            span(held, t.text),
        ])
    };
    vec![
        Line::from(vec![
            strong(format!("{number} "), t.accent),
            span(text, t.text),
            span(" · ", t.faint),
            span(held.clone(), t.text),
        ]),
        line(held),
        line(short),
    ]
}
