//! Tokens per second over time: reading the prompt, writing the answer.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::graph;
use super::pen::{Pen, span, strong};
use crate::human;
use crate::tui::observed::Observed;
use crate::tui::observed::speed::Rate;
use crate::tui::text::wrap;

pub fn summary(o: &Observed) -> String {
    let rate = o.decode.current.or(o.prefill.current);
    rate.map_or_else(String::new, |r| format!("{} tok/s", human::rate(r)))
}

/// For both: figures and a graph of two lines.
pub fn wanted(width: u16) -> u16 {
    2 * (2 + u16::from(width < NARROW))
}

/// Below this width average and best have a line of their own.
const NARROW: u16 = 38;

pub fn render(o: &Observed, pen: &mut Pen) {
    if o.prefill.current.is_none() && o.decode.current.is_none() {
        return pen.placeholder("Speeds appear with the first question.");
    }
    let (width, height) = (pen.width(), pen.height());
    // What has not been measured takes a line only.
    let first = match (&o.prefill.current, &o.decode.current) {
        (None, _) => 1,
        (_, None) => height.saturating_sub(1).max(1),
        _ => height.div_ceil(2),
    };
    rate(
        "prefill",
        &o.prefill,
        &mut pen.part(Rect::new(0, 0, width, first)),
    );
    rate(
        "decode",
        &o.decode,
        &mut pen.part(Rect::new(0, first, width, height - first)),
    );
}

fn rate(name: &'static str, rate: &Rate, pen: &mut Pen) {
    if pen.height() == 0 {
        return;
    }
    let t = pen.theme();
    let name = span(format!("{name:<8}"), t.dim);
    let Some(current) = rate.current else {
        let line = Line::from(vec![name, span("not measured yet", t.faint)]);
        pen.line(0, 0, &line);
        return;
    };
    let figure = |r: Option<f64>| r.map_or("-".into(), human::rate);
    let (average, best) = (figure(rate.average()), figure(rate.best));
    let left = Line::from(vec![
        name,
        strong(human::rate(current), t.text),
        span(" tok/s", t.dim),
    ]);
    let rest = vec![
        span("average ", t.faint),
        span(average.clone(), t.dim),
        span(" · best ", t.faint),
        span(best.clone(), t.dim),
    ];
    let right = Line::from(rest);
    let short = Line::from(vec![
        span("avg ", t.faint),
        span(average, t.dim),
        span(" · best ", t.faint),
        span(best, t.dim),
    ]);
    let room = usize::from(pen.width()).saturating_sub(wrap::line_width(&left) + 1);
    let mut y = 1;
    if wrap::line_width(&right) <= room {
        pen.row(0, &left, &right);
    } else if wrap::line_width(&short) <= room {
        pen.row(0, &left, &short);
    } else {
        pen.line(0, 0, &left);
        if pen.height() >= 3 {
            let x = 8.min(pen.width().saturating_sub(wrap::line_width(&short) as u16));
            pen.line(x, 1, &short);
            y = 2;
        }
    }
    if pen.height() > y {
        let points = rate.series.points().iter();
        let most = points.fold(0.0f64, |m, p| m.max(p.value));
        let area = Rect::new(0, y, pen.width(), pen.height() - y);
        graph::history(
            &mut pen.part(area),
            &rate.series,
            most,
            &human::rate(most),
            None,
        );
    }
}
