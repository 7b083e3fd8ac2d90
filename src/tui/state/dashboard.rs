//! The panels with what they show: the engine as observed, or as it was when they were made to
//! stand still.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

use crate::tui::observed::Observed;
use crate::tui::panel::{Panel, Panels};

#[derive(Clone, Debug, Default)]
pub struct Dashboard {
    pub observed: Observed,
    pub panels: Panels,
    /// The panels show this while they stand still.
    frozen: Option<Box<Observed>>,
}

impl Dashboard {
    /// What the panels show.
    pub fn shown(&self) -> &Observed {
        self.frozen.as_deref().unwrap_or(&self.observed)
    }

    pub fn frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Stands still, or goes on; true where it stands still now.
    pub(super) fn toggle_freeze(&mut self) -> bool {
        self.frozen = match self.frozen.take() {
            Some(_) => None,
            None => Some(Box::new(self.observed.clone())),
        };
        self.frozen()
    }

    /// A new conversation has begun.
    pub(super) fn restart(&mut self) {
        self.observed.restart();
        self.frozen = None;
    }

    /// A key of a panel; false where it has no use for it.
    pub(super) fn key(&mut self, panel: Panel, key: KeyEvent) -> bool {
        let shown = self.frozen.as_deref().unwrap_or(&self.observed);
        self.panels.key(panel, key, shown)
    }

    /// The wheel over a panel moves as its arrow keys do.
    pub(super) fn wheel(&mut self, panel: Panel, step: isize) {
        let code = if step < 0 { KeyCode::Up } else { KeyCode::Down };
        self.key(panel, KeyEvent::new(code, KeyModifiers::NONE));
    }

    pub(super) fn click(&mut self, panel: Panel, area: Rect, column: u16, row: u16) {
        let shown = self.frozen.as_deref().unwrap_or(&self.observed);
        self.panels.click(panel, area, column, row, shown);
    }
}
