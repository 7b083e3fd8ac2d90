//! What was evicted, newest first; one of them can be opened for its layers.

mod figures;
mod layers;
mod lines;

use std::cell::Cell;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use self::lines::{TABLE, header, one_line, several};
use super::pen::Pen;
use crate::human;
use crate::tui::observed::Observed;

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
    /// The round that the last drawing was around, for clicks.
    shown: Cell<Option<usize>>,
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
        n => n.min(2) as u16 * height(width),
    }
}

/// Lines of a round at this width.
fn height(width: u16) -> u16 {
    match width {
        TABLE.. => 1,
        46.. => 2,
        _ => 3,
    }
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
        let around = self.shown.get().unwrap_or(at).min(o.rounds.len() - 1);
        let view = View::new(area.width, area.height, o.rounds.len(), around);
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
        // Without the keys it shows what comes; the round that was picked waits for them.
        let focused = pen.look().focused;
        let at = if focused { at } else { o.rounds.len() - 1 };
        self.shown.set(Some(at));
        if let Some(round) = o.rounds.get(at).filter(|_| self.open && focused) {
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
        let lines = self::height(width).min(height.max(1));
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
        let evicts = crate::policy::Preset::default();
        return format!(
            "The policy full evicts nothing: every token stays. /policy {evicts} would."
        );
    }
    match o.policy.in_force.entries() {
        Some(budget) if o.picture.filled_layers.is_some() && o.picture.position > budget => {
            match o.policy.preset.policy().allocator.pools() {
                true => "All layers are read first: their heads share one budget.".into(),
                false => "Each layer is evicted as soon as it is read.".into(),
            }
        }
        Some(budget) => format!(
            "Nothing evicted yet: it begins beyond {} tokens.",
            human::thousands(budget)
        ),
        None => "Nothing evicted yet.".into(),
    }
}
