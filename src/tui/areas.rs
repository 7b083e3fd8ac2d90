//! Where things are on the screen: what the view has planned, and the mouse asks for.

use ratatui::layout::{Position, Rect};

use crate::tui::panel::Panel;

/// Narrower screens have no side column.
pub const SIDE_FROM: u16 = 72;

/// What is under a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    Conversation,
    /// The "new below" badge.
    Badge,
    Input(Rect),
    Panel(Panel, Rect),
    Nowhere,
}

/// Rectangles without their frames.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Areas {
    pub framed: bool,
    /// Conversation and input with their frames.
    pub main: Rect,
    pub conversation: Rect,
    pub input: Rect,
    pub badge: Option<Rect>,
    pub status: Rect,
    /// The panels on the screen, the zoomed one alone.
    pub panels: Vec<(Panel, Rect)>,
}

impl Areas {
    /// The edge between the conversation and the panels, which can be dragged.
    pub fn on_split(&self, column: u16) -> bool {
        let side = self
            .panels
            .first()
            .is_some_and(|(_, a)| a.x > self.main.right());
        side && (column == self.main.right() || column + 1 == self.main.right())
    }

    pub fn has(&self, panel: Panel) -> bool {
        self.panels.iter().any(|(p, _)| *p == panel)
    }

    /// The panels on the screen, in order.
    pub fn panels(&self) -> Vec<Panel> {
        self.panels.iter().map(|(p, _)| *p).collect()
    }

    /// Cells of one row of the input.
    pub fn input_width(&self) -> usize {
        self.input.width.into()
    }

    /// What is under a cell.
    pub fn at(&self, column: u16, row: u16) -> Place {
        let cell = Position::new(column, row);
        let panel = self.panels.iter().find(|(_, a)| grow(*a).contains(cell));
        if let Some((panel, area)) = panel {
            Place::Panel(*panel, *area)
        } else if self.badge.is_some_and(|b| b.contains(cell)) {
            Place::Badge
        } else if self.input.contains(cell) {
            Place::Input(self.input)
        } else if grow(self.conversation).contains(cell) {
            Place::Conversation
        } else {
            Place::Nowhere
        }
    }
}

/// Without its frame.
pub fn shrink(area: Rect) -> Rect {
    Rect {
        x: area.x + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    }
}

/// With its frame.
pub fn grow(area: Rect) -> Rect {
    Rect {
        x: area.x.saturating_sub(1),
        y: area.y.saturating_sub(1),
        width: area.width + 2,
        height: area.height + 2,
    }
}
