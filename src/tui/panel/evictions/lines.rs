//! A round in one line of a table, or in two or three lines where it is narrow.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::figures::{back, entries, gain, gain_colour, signed, time, trigger, which};
use crate::engine::event::EvictionRound;
use crate::human;
use crate::tui::observed::Round;
use crate::tui::panel::pen::{Pen, span, strong};
use crate::tui::text::wrap;
use crate::tui::theme::Theme;

/// Width from which a round is one line of a table.
pub const TABLE: u16 = 100;
/// Where the table's columns end.
const ENDS: [u16; 6] = [48, 59, 69, 80, 90, 100];
const HEADS: [&str; 6] = [
    "entries per head",
    "freed/back",
    "time",
    "mass kept",
    "uniform",
    "gain",
];

/// Heads of the table's columns.
pub fn header(pen: &mut Pen) {
    let faint = pen.theme().faint;
    pen.text(0, 0, "clock     turn", faint);
    for (end, name) in ENDS.into_iter().zip(HEADS) {
        pen.text(end - name.len() as u16, 0, name, faint);
    }
}

/// A row of the table.
pub fn one_line(round: &Round, layers: usize, pen: &mut Pen) {
    let t = pen.theme();
    let r = &round.round;
    let (before, after, _) = entries(r);
    let line = Line::from(vec![
        span(format!("{:<10}", round.clock), t.dim),
        span(format!("{:<5}", r.turn), t.text),
        trigger(r, t),
    ]);
    let x = pen.line(0, 0, &line);
    pen.text(x, 0, &which(r, layers), t.faint);
    let columns = [
        strong(format!("{before} → {after}"), t.text),
        freed(r, t),
        span(time(r), t.dim),
        strong(human::percent(r.retained_mass), t.text),
        span(human::percent(r.uniform_retained_mass), t.dim),
        span(signed(gain(r)), gain_colour(gain(r), t)),
    ];
    let mut start = 31;
    for (end, column) in ENDS.into_iter().zip(columns) {
        let width = wrap::width(&column.content) as u16;
        let x = end.saturating_sub(width).max(start);
        pen.part(Rect::new(x, 0, end - x, 1))
            .line(0, 0, &Line::from(column));
        start = end + 1;
    }
}

/// What the cache gave back; or, where it was selected anew, how much of it came back.
fn freed(r: &EvictionRound, t: &Theme) -> Span<'static> {
    match back(r) {
        Some(back) => span(format!("{} back", human::percent_whole(back.share)), t.user),
        None => span(format!("−{}", human::bytes(r.freed_bytes)), t.text),
    }
}

/// Two lines, or three where it is narrow.
pub fn several(round: &Round, layers: usize, lines: u16, pen: &mut Pen) {
    let t = pen.theme();
    let r = &round.round;
    let (before, after, each) = entries(r);
    let mut head = Line::from(vec![
        span(format!("{} ", round.clock), t.dim),
        span(format!("turn {} ", r.turn), t.text),
        trigger(r, t),
    ]);
    let which = which(r, layers);
    let change = vec![
        strong(format!("{before} → {after}"), t.text),
        span(each, t.dim),
    ];
    // The long form, where there is room for it.
    let freed = |room: usize| {
        let short = freed(r, t);
        let long = back(r).map(|back| {
            let (n, share) = (back.entries, human::percent_whole(back.share));
            span(format!("{n} back ({share})"), t.user)
        });
        let fits = |long: &Span| wrap::width(&long.content) < room;
        long.filter(fits).unwrap_or(short)
    };
    let time = span(time(r), t.dim);
    let kept = human::percent(r.retained_mass);
    let uniform = human::percent(r.uniform_retained_mass);
    let colour = gain_colour(gain(r), t);
    let mass = [
        Line::from(vec![
            span("mass kept ", t.dim),
            strong(kept.clone(), t.text),
            span(format!(" · uniform {uniform}"), t.dim),
        ]),
        Line::from(vec![
            span("mass ", t.dim),
            strong(kept.clone(), t.text),
            span(format!(" vs {uniform}"), t.dim),
        ]),
        Line::from(vec![
            strong(kept, t.text),
            span(format!(" vs {uniform}"), t.dim),
        ]),
    ];
    let gain = Line::from(span(signed(gain(r)), colour));
    let fitting = |pen: &mut Pen, y: u16, x: u16| {
        let width = pen.width().saturating_sub(x);
        let gain_width = wrap::line_width(&gain) as u16;
        let fits = |l: &&Line| wrap::line_width(l) + usize::from(gain_width) < usize::from(width);
        let line = mass.iter().find(fits).unwrap_or(&mass[2]);
        pen.part(Rect::new(x, y, width, 1)).row(0, line, &gain);
    };
    let right = Line::from(if lines >= 3 {
        vec![time.clone()]
    } else {
        change.clone()
    });
    let room = usize::from(pen.width()).saturating_sub(wrap::line_width(&right) + 1);
    if wrap::line_width(&head) + wrap::width(&which) <= room {
        head.push_span(span(which, t.dim));
    }
    pen.row(0, &head, &right);
    if lines >= 3 {
        let indent = u16::from(pen.width() >= 32);
        let rest = Rect::new(indent, 1, pen.width() - indent, 1);
        let change = Line::from(change);
        let room = usize::from(rest.width).saturating_sub(wrap::line_width(&change));
        let freed = Line::from(freed(room));
        pen.part(rest).row(0, &change, &freed);
        fitting(pen, 2, indent);
    } else {
        // Beside it the shortest form of the mass stands in any case.
        let least = wrap::line_width(&mass[1]) + wrap::line_width(&gain) + 8;
        let room = usize::from(pen.width()).saturating_sub(least + wrap::width(&time.content));
        let right = Line::from(vec![freed(room), span(" in ", t.dim), time]);
        let x = pen.width().saturating_sub(wrap::line_width(&right) as u16);
        fitting(&mut pen.part(Rect::new(0, 1, x.saturating_sub(1), 1)), 0, 1);
        pen.line(x, 1, &right);
    }
}
