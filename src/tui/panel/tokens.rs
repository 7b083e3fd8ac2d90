//! The conversation's text, every token coloured by how many heads still hold it: what the model
//! can still read.

use std::cell::Cell;
use std::ops::Range;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::pen::{Pen, span, strong};
use super::scale::{digit, level, warmth};
use crate::tui::human;
use crate::tui::observed::Observed;
use crate::tui::text::wrap;
use crate::tui::theme::{Depth, Theme};

/// The token under the cursor.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    /// `None` follows the conversation's end.
    cursor: Option<usize>,
    /// Columns and lines of the text as last drawn, for the keys that move over it.
    drawn: Cell<(u16, u16)>,
}

/// Share of the tokens that at least one head holds.
pub fn summary(o: &Observed) -> String {
    let holders = &o.picture.holders;
    if holders.is_empty() {
        return String::new();
    }
    let held = holders.iter().filter(|&&n| n > 0).count();
    if held == holders.len() {
        return "all readable".into();
    }
    let share = held as f64 / holders.len() as f64;
    format!("{} readable", human::percent_whole(share))
}

pub fn wanted(o: &Observed, width: u16) -> u16 {
    if o.text.tokens() == 0 {
        return 3;
    }
    // Enough lines are counted when there are many: no need to lay a book out for that.
    let short = o.text.pieces().len() < 400;
    let lines = if short { o.text.lines(width).len() } else { 10 };
    lines.clamp(2, 10) as u16 + 2
}

/// How many of all heads hold a token, 0–1; `None` where nobody has told yet.
fn share(o: &Observed, token: usize) -> Option<f64> {
    let holders = &o.picture.holders;
    let all = match o.all_heads() {
        0 => holders.iter().copied().max().map_or(0, usize::from),
        all => all,
    };
    if holders.is_empty() || all == 0 {
        return None;
    }
    // A token newer than the count is still everywhere.
    let held = holders.get(token).map_or(all, |&n| usize::from(n));
    Some((held as f64 / all as f64).min(1.0))
}

/// Where a share stands on the heat scale: one head is told from none.
fn held_ratio(share: f64) -> f32 {
    (0.3 + 1.7 * share) as f32
}

fn style(share: Option<f64>, t: &Theme) -> Style {
    let Some(share) = share else {
        return Style::new().fg(t.text);
    };
    let gone = Style::new().fg(t.faint);
    if t.colours_heat() {
        return match share {
            0.0 => gone,
            share => {
                let ratio = held_ratio(share);
                Style::new().fg(t.text).bg(t.tint(ratio))
            }
        };
    }
    match share {
        0.0 => gone.add_modifier(Modifier::DIM),
        s if s < 0.5 => Style::new().fg(t.text),
        _ => Style::new().fg(t.text).add_modifier(Modifier::BOLD),
    }
}

/// What is in view.
struct View {
    lines: Vec<Range<usize>>,
    top: usize,
    /// Lines above the text, for the strip.
    strip: u16,
    rows: u16,
}

impl Tokens {
    fn at(&self, o: &Observed) -> usize {
        let last = o.text.tokens().saturating_sub(1);
        self.cursor.map_or(last, |c| c.min(last))
    }

    fn view(&self, o: &Observed, width: u16, height: u16) -> View {
        // The last lines are for the legend and the figures of the cursor.
        let rows = match height {
            0..=2 => height,
            3..=5 => height - 1,
            _ => height - 2,
        };
        let lines = o.text.lines(width);
        let all = lines.len() <= usize::from(rows);
        let strip = u16::from(!all && rows >= 3 && !o.picture.holders.is_empty());
        let rows = rows - strip;
        let here = line_of(o, &lines, self.at(o));
        let last = lines.len().saturating_sub(usize::from(rows));
        let top = match self.cursor {
            None => last,
            Some(_) => here.saturating_sub(usize::from(rows) / 2).min(last),
        };
        View {
            lines,
            top,
            strip,
            rows,
        }
    }

    pub fn key(&mut self, key: KeyEvent, o: &Observed) -> bool {
        let tokens = o.text.tokens();
        if tokens == 0 {
            return false;
        }
        let at = self.at(o);
        let (width, rows) = self.drawn.get();
        let page = isize::try_from(rows.saturating_sub(1).max(1)).unwrap_or(1);
        let to = match key.code {
            KeyCode::Left => at.saturating_sub(1),
            KeyCode::Right => at + 1,
            KeyCode::Up => moved(o, width, at, -1),
            KeyCode::Down => moved(o, width, at, 1),
            KeyCode::PageUp => moved(o, width, at, -page),
            KeyCode::PageDown => moved(o, width, at, page),
            KeyCode::Home => 0,
            KeyCode::End => tokens,
            _ => return false,
        };
        self.cursor = (to + 1 < tokens).then_some(to);
        true
    }

    /// Puts the cursor on the token under the pointer.
    pub fn click(&mut self, area: Rect, column: u16, row: u16, o: &Observed) {
        let local = (column.checked_sub(area.x), row.checked_sub(area.y));
        let (Some(x), Some(y)) = local else { return };
        let view = self.view(o, area.width, area.height);
        if y < view.strip {
            let tokens = o.text.tokens();
            self.cursor = Some(usize::from(x) * tokens / usize::from(area.width.max(1)));
        } else if y < view.strip + view.rows
            && let Some(line) = view.lines.get(view.top + usize::from(y - view.strip))
            && let Some(token) = token_at(o, line.clone(), x)
        {
            self.cursor = Some(token);
        }
    }

    pub fn render(&self, o: &Observed, pen: &mut Pen) {
        let t = pen.theme();
        if o.text.tokens() == 0 {
            return pen.placeholder(
                "The text as the model sees it, token by token, appears with the first answer.",
            );
        }
        let (width, height) = (pen.width(), pen.height());
        let view = self.view(o, width, height);
        self.drawn.set((width, view.rows));
        let cursor = pen.look().focused.then(|| self.at(o));
        // On a terminal that may know neither colours nor attributes, what is gone is not there.
        let dots = pen.look().ascii && t.depth == Depth::None;
        if view.strip > 0 {
            strip(o, &view, pen);
        }
        let end = view.strip + view.rows;
        for (y, line) in (view.strip..end).zip(view.lines.iter().skip(view.top)) {
            let mut x = 0;
            for piece in o.text.pieces().get(line.clone()).unwrap_or(&[]) {
                let share = share(o, piece.token);
                let mut style = style(share, t);
                if cursor == Some(piece.token) {
                    style = style.add_modifier(Modifier::REVERSED | Modifier::BOLD);
                }
                let text = o.text.str(piece);
                x = if dots && share == Some(0.0) {
                    pen.text(x, y, &".".repeat(usize::from(piece.width)), style)
                } else {
                    pen.text(x, y, text, style)
                };
            }
        }
        let mut y = end;
        if y < height {
            legend(o, y, pen);
            y += 1;
        }
        if y < height {
            pen.fitting(y, &figures(o, self.at(o), cursor.is_some(), t));
        }
    }
}

/// The whole conversation in one line: how much of each stretch is held, over the average; the
/// part in view is marked.
fn strip(o: &Observed, view: &View, pen: &mut Pen) {
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

/// The line in which a token begins.
fn line_of(o: &Observed, lines: &[Range<usize>], token: usize) -> usize {
    let pieces = o.text.pieces();
    let first = |line: &Range<usize>| pieces.get(line.start).map_or(usize::MAX, |p| p.token);
    let behind = lines.partition_point(|line| first(line) <= token);
    let mut line = behind.saturating_sub(1);
    // A token of several lines begins in the first of them.
    while line > 0 && lines.get(line).is_some_and(|l| first(l) == token) {
        let before = lines
            .get(line - 1)
            .and_then(|l| pieces.get(l.end.wrapping_sub(1)));
        if before.is_none_or(|p| p.token != token) {
            break;
        }
        line -= 1;
    }
    line
}

fn token_at(o: &Observed, line: Range<usize>, column: u16) -> Option<usize> {
    let mut x = 0u16;
    let mut found = None;
    for piece in o.text.pieces().get(line)? {
        if found.is_some() && x > column {
            break;
        }
        found = Some(piece.token);
        x = x.saturating_add(piece.width);
    }
    found
}

/// The token `by` lines below (or above) `token`, in about the same column.
fn moved(o: &Observed, width: u16, token: usize, by: isize) -> usize {
    let lines = o.text.lines(width.max(1));
    let line = line_of(o, &lines, token);
    let Some(range) = lines.get(line) else {
        return token;
    };
    let before = o.text.pieces().get(range.clone()).unwrap_or(&[]).iter();
    let column: u16 = before
        .take_while(|p| p.token < token)
        .fold(0, |x, p| x.saturating_add(p.width));
    let to = line.saturating_add_signed(by).min(lines.len() - 1);
    if to == line {
        return if by > 0 { o.text.tokens() } else { 0 };
    }
    lines
        .get(to)
        .and_then(|l| token_at(o, l.clone(), column))
        .unwrap_or(token)
}

/// What the colours say.
fn legend(o: &Observed, y: u16, pen: &mut Pen) {
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
fn figures(o: &Observed, at: usize, focused: bool, t: &Theme) -> Vec<Line<'static>> {
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
