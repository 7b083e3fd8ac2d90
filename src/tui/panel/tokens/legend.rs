//! The last two lines: what the colours say, and the figures of the cursor.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::held::{held_ratio, style};
use crate::human;
use crate::tui::observed::Observed;
use crate::tui::panel::pen::{Pen, span, strong};
use crate::tui::text::wrap;
use crate::tui::theme::{Depth, Theme};

/// What the colours say.
pub fn legend(o: &Observed, y: u16, pen: &mut Pen) {
    let t = pen.theme();
    let heads = match o.all_heads() {
        0 => "all heads".to_string(),
        n => format!("all {n} heads"),
    };
    let sample = |share: f64, text: &'static str| Span::styled(text, style(Some(share), t));
    if !t.colours_heat() {
        let gone = match pen.look().ascii && t.depth == Depth::None {
            true => span(".... gone", t.faint),
            false => sample(0.0, "gone"),
        };
        let line = |of: &str| {
            let dot = || span(" · ", t.faint);
            let of = span(of.to_owned(), t.faint);
            let (some, most) = (sample(0.2, "some"), sample(1.0, "most"));
            Line::from(vec![gone.clone(), dot(), some, dot(), most, of])
        };
        let heads = heads.trim_start_matches("all ");
        pen.fitting(y, &[line(&format!(" of {heads}")), line(" heads")]);
        return;
    }
    let mut x = pen.line(0, y, &Line::from(vec![sample(0.0, "gone"), Span::raw(" ")]));
    let cells = pen
        .width()
        .saturating_sub(x + heads.len() as u16 + 1)
        .min(16);
    for i in 1..=cells {
        let ratio = held_ratio(f64::from(i) / f64::from(cells));
        pen.style(Rect::new(x, y, 1, 1), Style::new().bg(t.tint(ratio)));
        x += 1;
    }
    pen.text(x + 1, y, &heads, t.faint);
}

/// The token under the cursor in full, or how much is still there.
pub fn figures(o: &Observed, at: usize, focused: bool, t: &Theme) -> Vec<Line<'static>> {
    let holders = &o.picture.holders;
    if !focused {
        let held = holders.iter().filter(|&&n| n > 0).count();
        if holders.is_empty() {
            return vec![Line::default()];
        }
        let (held, all) = (human::thousands(held), human::thousands(holders.len()));
        return vec![
            Line::from(span(
                format!("{held} of {all} tokens still held somewhere"),
                t.dim,
            )),
            Line::from(span(format!("{held} of {all} tokens held"), t.dim)),
        ];
    }
    let raw = o.tokens.get(at).map_or("", String::as_str);
    let text = wrap::truncate(&format!("{raw:?}"), 24);
    let place = format!("#{}", human::thousands(at));
    let held = match (holders.get(at), o.all_heads()) {
        _ if holders.is_empty() => "holders not told yet".to_string(),
        (Some(&0), _) => "no head holds it".to_string(),
        (Some(n), all) if all > 0 => format!("held by {n} of {all} heads"),
        (Some(n), _) => format!("held by {n} heads"),
        (None, _) => "held by every head".to_string(),
    };
    vec![
        Line::from(vec![
            strong(format!("{place} "), t.accent),
            span(text, t.text),
            span(" · ", t.faint),
            span(held.clone(), t.text),
        ]),
        Line::from(vec![
            strong(format!("{place} "), t.accent),
            span(held, t.text),
        ]),
    ]
}
