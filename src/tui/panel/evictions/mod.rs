//! What was evicted, newest first; one of them can be opened for its layers.

mod layers;

use std::cell::Cell;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::pen::{Pen, span, strong};
use crate::engine::event::{EvictionRound, Trigger};
use crate::tui::human;
use crate::tui::observed::{Observed, Round};
use crate::tui::text::wrap;
use crate::tui::theme::Theme;

/// The selected round and whether it is open.
#[derive(Clone, Debug, Default)]
pub struct Evictions {
    /// Number of the round from the conversation's first one; `None` stays on the newest.
    selected: Option<usize>,
    open: bool,
    /// First layer in view of the opened round.
    scroll: usize,
    /// Lines that the last drawing had for layers.
    page: Cell<usize>,
}

pub fn summary(o: &Observed) -> String {
    match o.dropped + o.rounds.len() {
        0 if o.never_evicts() => "never".into(),
        0 => String::new(),
        1 => "1 round".into(),
        n => format!("{} rounds", human::thousands(n)),
    }
}

/// Room for the two newest rounds.
pub fn wanted(o: &Observed, width: u16) -> u16 {
    match o.rounds.len() {
        0 => 3,
        n => n.min(2) as u16 * lines(width),
    }
}

/// Lines of a round at this width.
fn lines(width: u16) -> u16 {
    match width {
        TABLE.. => 1,
        46.. => 2,
        _ => 3,
    }
}

fn trigger(round: &EvictionRound) -> &'static str {
    match round.trigger {
        Trigger::Prefill => "prefill",
        Trigger::Decode => "decode",
    }
}

/// `7,440 → 1,024/head`, the mean over the heads that were evicted.
fn entries(round: &EvictionRound) -> (String, String, &'static str) {
    let heads: usize = round.layers.iter().map(|l| l.budgets.len()).sum();
    let (before, after) = (round.before_entries, round.after_entries);
    if heads == 0 {
        return (human::thousands(before), human::thousands(after), " in all");
    }
    let each = |n: usize| human::thousands((n + heads / 2) / heads);
    (each(before), each(after), "/head")
}

impl Evictions {
    /// Place of the selected round in `o.rounds`.
    fn at(&self, o: &Observed) -> Option<usize> {
        let last = o.rounds.len().checked_sub(1)?;
        let at = |n: usize| n.saturating_sub(o.dropped).min(last);
        Some(self.selected.map_or(last, at))
    }

    fn select(&mut self, at: usize, o: &Observed) {
        let newest = at + 1 >= o.rounds.len();
        self.selected = (!newest).then_some(o.dropped + at);
    }

    pub fn key(&mut self, key: KeyEvent, o: &Observed) -> bool {
        let Some(at) = self.at(o) else {
            self.open = false;
            return false;
        };
        if self.open {
            return self.key_open(key.code, at, o);
        }
        let last = o.rounds.len() - 1;
        match key.code {
            KeyCode::Down => self.select(at.saturating_sub(1), o),
            KeyCode::Up => self.select((at + 1).min(last), o),
            KeyCode::PageDown => self.select(at.saturating_sub(10), o),
            KeyCode::PageUp => self.select((at + 10).min(last), o),
            KeyCode::Home => self.select(last, o),
            KeyCode::End => self.select(0, o),
            KeyCode::Enter => {
                // What was opened stays, also when newer rounds come.
                (self.open, self.scroll) = (true, 0);
                self.selected = Some(o.dropped + at);
            }
            _ => return false,
        }
        true
    }

    fn key_open(&mut self, code: KeyCode, at: usize, o: &Observed) -> bool {
        let layers = o.rounds.get(at).map_or(0, |r| r.round.layers.len());
        let page = self.page.get().max(1);
        let last = layers.saturating_sub(page);
        self.scroll = match code {
            KeyCode::Enter | KeyCode::Esc => {
                self.open = false;
                self.select(at, o);
                0
            }
            KeyCode::Down => (self.scroll + 1).min(last),
            KeyCode::Up => self.scroll.min(last).saturating_sub(1),
            KeyCode::PageDown => (self.scroll + page).min(last),
            KeyCode::PageUp => self.scroll.min(last).saturating_sub(page),
            KeyCode::Home => 0,
            KeyCode::End => last,
            KeyCode::Left => {
                self.selected = Some(o.dropped + at.saturating_sub(1));
                0
            }
            KeyCode::Right => {
                self.selected = Some(o.dropped + (at + 1).min(o.rounds.len() - 1));
                0
            }
            _ => return false,
        };
        true
    }

    /// Selects the round under the pointer; a second click opens it.
    pub fn click(&mut self, area: Rect, row: u16, o: &Observed) {
        let (Some(at), Some(y)) = (self.at(o), row.checked_sub(area.y)) else {
            return;
        };
        if self.open {
            if y == 0 {
                self.key_open(KeyCode::Esc, at, o);
            }
            return;
        }
        let view = View::new(area.width, area.height, o.rounds.len(), at);
        let Some(clicked) = view.at(y) else { return };
        if clicked == at {
            (self.open, self.scroll) = (true, 0);
            self.selected = Some(o.dropped + at);
        } else {
            self.select(clicked, o);
        }
    }

    pub fn render(&self, o: &Observed, pen: &mut Pen) {
        let Some(at) = self.at(o) else {
            return pen.placeholder(&nothing(o));
        };
        if let Some(round) = o.rounds.get(at).filter(|_| self.open) {
            let page = layers::render(round, self.scroll, pen);
            return self.page.set(page);
        }
        let view = View::new(pen.width(), pen.height(), o.rounds.len(), at);
        if view.header == 1 {
            header(pen);
        }
        let mut y = view.header;
        for i in (0..view.first).rev().take(view.rounds) {
            let Some(round) = o.rounds.get(i) else {
                continue;
            };
            if pen.look().focused && i == at {
                pen.select(y, view.lines);
            }
            // Far apart, figures are hard to read together.
            let width = if view.lines == 1 {
                TABLE
            } else {
                pen.width().min(64)
            };
            let mut place = pen.part(Rect::new(0, y, width, view.lines));
            match view.lines {
                1 => one_line(round, o.layers(), &mut place),
                lines => several(round, o.layers(), lines, &mut place),
            }
            y += view.lines;
        }
    }
}

/// Which rounds are in view.
struct View {
    lines: u16,
    header: u16,
    /// One behind the newest round in view.
    first: usize,
    rounds: usize,
}

impl View {
    fn new(width: u16, height: u16, count: usize, at: usize) -> View {
        let lines = lines(width).min(height.max(1));
        let header = u16::from(width >= TABLE && height >= 3);
        let rounds = usize::from((height.saturating_sub(header)) / lines).max(1);
        // A round at the lower edge may be cut off rather than leave the lines empty.
        let shown = usize::from((height.saturating_sub(header)).div_ceil(lines));
        let below = count.saturating_sub(at + 1);
        let skip = below.saturating_sub(rounds - 1);
        View {
            lines,
            header,
            first: count.saturating_sub(skip),
            rounds: shown,
        }
    }

    fn at(&self, y: u16) -> Option<usize> {
        let row = usize::from(y.checked_sub(self.header)? / self.lines);
        (row < self.rounds).then(|| self.first.checked_sub(row + 1))?
    }
}

/// Said where no round is: when the first one will come.
fn nothing(o: &Observed) -> String {
    if o.never_evicts() {
        return "The policy full evicts nothing: every token stays. /policy ada-snapkv would."
            .into();
    }
    match o.policy.in_force.entries() {
        Some(budget) if o.picture.filled_layers.is_some() && o.picture.position > budget => {
            "The prefill evicts layer by layer; the round is told when it is through.".into()
        }
        Some(budget) => format!(
            "Nothing evicted yet: it begins when the conversation is longer than {} tokens.",
            human::thousands(budget)
        ),
        None => "Nothing evicted yet.".into(),
    }
}

/// Width from which a round is one line of a table.
const TABLE: u16 = 100;
/// Where the table's columns end.
const ENDS: [u16; 6] = [48, 59, 69, 80, 90, 100];
const HEADS: [&str; 6] = [
    "entries per head",
    "freed",
    "time",
    "mass kept",
    "uniform",
    "gain",
];

fn header(pen: &mut Pen) {
    let faint = pen.theme().faint;
    pen.text(0, 0, "clock     turn", faint);
    for (end, name) in ENDS.into_iter().zip(HEADS) {
        pen.text(end - name.len() as u16, 0, name, faint);
    }
}

/// What uneven budgets retain more than even ones, between the figures as they are shown.
fn gain(round: &EvictionRound) -> f64 {
    let shown = |share: f64| (share * 1000.0).round() / 1000.0;
    shown(round.retained_mass) - shown(round.uniform_retained_mass)
}

fn time(round: &EvictionRound) -> String {
    match round.milliseconds {
        ms if ms < 0.5 => "<1 ms".into(),
        ms => human::duration(ms / 1000.0),
    }
}

/// `+1.3 %`
fn signed(gain: f64) -> String {
    let sign = if gain < -0.0005 { "−" } else { "+" };
    format!("{sign}{:.1} %", gain.abs() * 100.0)
}

fn gain_colour(gain: f64, t: &Theme) -> ratatui::style::Color {
    match gain {
        g if g >= 0.0005 => t.good,
        g if g <= -0.0005 => t.bad,
        _ => t.dim,
    }
}

fn one_line(round: &Round, layers: usize, pen: &mut Pen) {
    let t = pen.theme();
    let r = &round.round;
    let (before, after, _) = entries(r);
    let line = Line::from(vec![
        span(format!("{:<10}", round.clock), t.dim),
        span(format!("{:<5}", r.turn), t.text),
        span(trigger(r), t.accent),
    ]);
    let x = pen.line(0, 0, &line);
    pen.text(x, 0, &which(r, layers), t.faint);
    let columns = [
        strong(format!("{before} → {after}"), t.text),
        span(format!("−{}", human::bytes(r.freed_bytes)), t.text),
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

/// Two lines, or three where it is narrow.
fn several(round: &Round, layers: usize, lines: u16, pen: &mut Pen) {
    let t = pen.theme();
    let r = &round.round;
    let (before, after, each) = entries(r);
    let mut head = Line::from(vec![
        span(format!("{} ", round.clock), t.dim),
        span(format!("turn {} ", r.turn), t.text),
        span(trigger(r), t.accent),
    ]);
    let which = which(r, layers);
    let change = vec![
        strong(format!("{before} → {after}"), t.text),
        span(each, t.dim),
    ];
    let freed = span(format!("−{}", human::bytes(r.freed_bytes)), t.text);
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
        let (change, freed) = (Line::from(change), Line::from(freed));
        pen.part(rest).row(0, &change, &freed);
        fitting(pen, 2, indent);
    } else {
        let right = Line::from(vec![freed, span(" in ", t.dim), time]);
        let x = pen.width().saturating_sub(wrap::line_width(&right) as u16);
        fitting(&mut pen.part(Rect::new(0, 1, x.saturating_sub(1), 1)), 0, 1);
        pen.line(x, 1, &right);
    }
}

/// ` L11` or ` 3 layers` where not all `layers` were evicted.
fn which(round: &EvictionRound, layers: usize) -> String {
    match &round.layers[..] {
        [] => String::new(),
        some if some.len() >= layers => String::new(),
        [one] => format!(" L{}", one.layer),
        some => format!(" {} layers", some.len()),
    }
}
