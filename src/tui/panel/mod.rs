//! THE PANELS: one file each, drawn from [`Observed`] alone. The frame around them (border, title,
//! focus) belongs to the screen.

mod budgets;
mod evictions;
mod graph;
mod look;
mod memory;
mod pen;
mod scale;
mod speed;
mod tokens;

pub use look::Look;
pub use pen::plain;

use crossterm::event::{KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::observed::Observed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    Budgets,
    Memory,
    Evictions,
    Tokens,
    Speed,
}

impl Panel {
    pub const ALL: [Panel; 5] = [
        Panel::Budgets,
        Panel::Memory,
        Panel::Evictions,
        Panel::Tokens,
        Panel::Speed,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Panel::Budgets => "budgets",
            Panel::Memory => "memory",
            Panel::Evictions => "evictions",
            Panel::Tokens => "tokens",
            Panel::Speed => "speed",
        }
    }
}

impl Panel {
    /// What it shows, for who has never heard of eviction.
    pub fn about(self) -> &'static str {
        match self {
            Panel::Budgets => {
                "How many entries each KV head keeps in each layer; the colour compares that with an \
                 equal share (uniform). Mass is the part of the last tokens' attention that goes to \
                 what was kept; uniform beside it, what equal shares would hold."
            }
            Panel::Memory => {
                "Kept: the keys and values in the cache; full cache: what they would take if nothing \
                 were evicted. The graph shows both over time, with a mark at each eviction. The \
                 archive keeps all that was read. Mapped are files, which the system takes back when \
                 it needs memory."
            }
            Panel::Evictions => {
                "Each round drops the entries that the last tokens attend to least; a recall selects \
                 anew from all that was said, and says how much came back. Mass kept is the part of \
                 their attention that stays; gain, what budgets adapted to the heads keep beyond \
                 equal ones."
            }
            Panel::Tokens => {
                "The text as the model has it. The stronger the ground, the more heads hold the token \
                 in the cache, which answers are written from. Without ground it is archived only: \
                 the next question reads it too, and brings back what it needs. Struck out is gone."
            }
            Panel::Speed => {
                "Tokens per second over time: prefill is reading the prompt, decode is writing the \
                 answer."
            }
        }
    }

    /// What its keys do.
    pub fn keys(self) -> &'static str {
        match self {
            Panel::Budgets => "← ↑ ↓ → head · Space stands still · Tab next · Esc back",
            Panel::Evictions => {
                "↑ ↓ round · Enter its layers · Space stands still · Tab next · Esc back"
            }
            Panel::Tokens => "← ↑ ↓ → token · Space stands still · Tab next · Esc back",
            Panel::Memory | Panel::Speed => "Space stands still · Tab next · Esc back",
        }
    }
}

/// The panels' own state: cursors, selections, scroll.
#[derive(Clone, Debug, Default)]
pub struct Panels {
    budgets: budgets::Budgets,
    evictions: evictions::Evictions,
    tokens: tokens::Tokens,
}

impl Panels {
    /// A short figure for the right end of the title, or empty.
    pub fn summary(&self, panel: Panel, observed: &Observed) -> String {
        match panel {
            Panel::Budgets => budgets::summary(observed),
            Panel::Memory => memory::summary(observed),
            Panel::Evictions => evictions::summary(observed),
            Panel::Tokens => tokens::summary(observed),
            Panel::Speed => speed::summary(observed),
        }
    }

    /// Lines the panel would like at this width, borders excluded.
    pub fn wanted(&self, panel: Panel, observed: &Observed, width: u16) -> u16 {
        match panel {
            Panel::Budgets => budgets::wanted(observed),
            Panel::Memory => memory::wanted(observed, width),
            Panel::Evictions => evictions::wanted(observed, width),
            Panel::Tokens => tokens::wanted(observed, width),
            Panel::Speed => speed::wanted(width),
        }
    }

    /// A key while this panel is focused; false where it has no use for it.
    pub fn key(&mut self, panel: Panel, key: KeyEvent, observed: &Observed) -> bool {
        // Chords belong to the screen.
        let chord = KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SUPER;
        if key.modifiers.intersects(chord) {
            return false;
        }
        match panel {
            Panel::Budgets => self.budgets.key(key, observed),
            Panel::Evictions => self.evictions.key(key, observed),
            Panel::Tokens => self.tokens.key(key, observed),
            Panel::Memory | Panel::Speed => false,
        }
    }

    /// A click on a cell inside the panel's area, in the terminal's coordinates.
    pub fn click(&mut self, panel: Panel, area: Rect, column: u16, row: u16, o: &Observed) {
        match panel {
            Panel::Budgets => self.budgets.click(area, column, row),
            Panel::Evictions => self.evictions.click(area, row, o),
            Panel::Tokens => self.tokens.click(area, column, row, o),
            Panel::Memory | Panel::Speed => {}
        }
    }

    /// Draws the panel's inside; any area, also an empty one.
    pub fn render(&self, panel: Panel, o: &Observed, area: Rect, buf: &mut Buffer, look: Look) {
        let mut pen = pen::Pen::new(buf, area, look);
        if pen.width() == 0 || pen.height() == 0 {
            return;
        }
        match panel {
            Panel::Budgets => self.budgets.render(o, &mut pen),
            Panel::Memory => memory::render(o, &mut pen),
            Panel::Evictions => self.evictions.render(o, &mut pen),
            Panel::Tokens => self.tokens.render(o, &mut pen),
            Panel::Speed => speed::render(o, &mut pen),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
