//! The line below the map, or two.

use ratatui::text::Line;

use crate::human;
use crate::tui::observed::Observed;
use crate::tui::panel::pen::{Pen, span, strong};
use crate::tui::text::wrap;

/// Exact figures of the head under the cursor, or of the extremes; one line or two.
pub fn figures(o: &Observed, cursor: Option<(usize, usize)>, pen: &Pen) -> Vec<Line<'static>> {
    let t = pen.theme();
    let width = usize::from(pen.width());
    let parts = match cursor {
        Some((layer, head)) => {
            let mut parts = vec![strong(format!("layer {layer} head {head}"), t.accent)];
            match (o.kept(layer, head), o.uniform()) {
                (Some(n), _) if o.window(layer).is_some() => {
                    let window = o.window(layer).unwrap_or_default();
                    parts.push(span(human::thousands(n as usize), t.text));
                    let window = format!("window {}", human::thousands(window as usize));
                    parts.push(span(window, t.text));
                    parts.push(span("bounded by itself", t.dim));
                }
                (Some(n), Some(uniform)) => {
                    parts.push(span(human::thousands(n as usize), t.text));
                    parts.push(span(
                        format!("{:.2}× uniform", f64::from(n) / uniform),
                        t.text,
                    ));
                }
                (None, _) if o.state(layer).is_some() => {
                    let bytes = human::bytes(o.state(layer).unwrap_or_default());
                    parts.push(span(format!("state {bytes}"), t.text));
                    parts.push(span("does not grow", t.dim));
                }
                (None, _) if o.source(layer).is_some() => {
                    let source = o.source(layer).unwrap_or_default();
                    parts.push(span(format!("sees layer {source}"), t.text));
                    parts.push(span("holds nothing itself", t.dim));
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
            (None, None) if o.growing_layers() == 0 => {
                vec![span("no layer is bounded by the policy", t.dim)]
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

/// The head that keeps most of those that a policy bounds: its layer, itself, and how much.
fn fullest(o: &Observed) -> Option<(usize, usize, f64)> {
    o.growing()
        .map(|(l, h, n)| (l, h, f64::from(n)))
        .max_by(|a, b| a.2.total_cmp(&b.2))
}
