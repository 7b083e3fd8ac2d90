//! What is where on the screen, and who gets the keys.

use crossterm::event::{KeyCode, KeyEvent};

use crate::tui::areas::{Areas, SIDE_FROM};
use crate::tui::panel::Panel;

/// Who gets the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Focus {
    #[default]
    Input,
    Panel(Panel),
}

#[derive(Clone, Debug)]
pub struct Screen {
    pub size: (u16, u16),
    /// Where things are, from the last frame.
    pub areas: Areas,
    pub ascii: bool,
    pub mouse: bool,
    pub focus: Focus,
    /// The panel that has the whole screen.
    pub zoom: Option<Panel>,
    /// First line of the help in view, while the help is open.
    pub help: Option<usize>,
    /// The side column may be drawn.
    pub panels_open: bool,
    /// Cells of the side column, where it was dragged.
    pub side: Option<u16>,
    dragging: bool,
}

impl Default for Screen {
    fn default() -> Screen {
        Screen {
            size: (0, 0),
            areas: Areas::default(),
            ascii: false,
            mouse: false,
            focus: Focus::Input,
            zoom: None,
            help: None,
            panels_open: true,
            side: None,
            dragging: false,
        }
    }
}

impl Screen {
    /// The input gets the keys, and is to be seen.
    pub(super) fn enter_input(&mut self) {
        (self.focus, self.zoom) = (Focus::Input, None);
    }

    pub(super) fn show_help(&mut self, open: bool) {
        self.help = open.then_some(0);
    }

    /// The help scrolls; every other key closes it.
    pub(super) fn help_key(&mut self, top: usize, key: KeyEvent) {
        self.help = match key.code {
            KeyCode::Down => Some(top + 1),
            KeyCode::Up => Some(top.saturating_sub(1)),
            KeyCode::PageDown => Some(top + 8),
            KeyCode::PageUp => Some(top.saturating_sub(8)),
            _ => None,
        };
    }

    /// A panel takes the whole screen, or gives it back.
    pub(super) fn toggle_zoom(&mut self, panel: Panel) {
        match self.zoom == Some(panel) {
            true => self.enter_input(),
            false => (self.zoom, self.focus) = (Some(panel), Focus::Panel(panel)),
        }
        self.help = None;
    }

    pub(super) fn toggle_panels(&mut self) {
        self.panels_open = !self.panels_open;
        self.enter_input();
    }

    /// Out of a panel: from the whole screen to its place, where it has one, and else to the input.
    pub(super) fn leave_panel(&mut self, panel: Panel) {
        let zoomed = self.zoom.take().is_some();
        if !zoomed || !self.areas.has(panel) || self.size.0 < SIDE_FROM {
            self.focus = Focus::Input;
        }
    }

    /// Focus goes round: the input and the panels on the screen.
    pub(super) fn cycle(&mut self, step: isize) {
        let panels = match self.zoom {
            Some(_) => Panel::ALL.to_vec(),
            None => self.areas.panels(),
        };
        let mut ring = vec![Focus::Input];
        ring.extend(panels.into_iter().map(Focus::Panel));
        if self.zoom.is_some() {
            ring.remove(0);
        }
        let at = ring.iter().position(|f| *f == self.focus).unwrap_or(0) as isize;
        self.focus = ring[(at + step).rem_euclid(ring.len() as isize) as usize];
        if let (Some(_), Focus::Panel(panel)) = (self.zoom, self.focus) {
            self.zoom = Some(panel);
        }
    }

    /// The mouse holds the split between the columns.
    pub(super) fn hold_split(&mut self) {
        self.dragging = true;
    }

    /// The split goes where the mouse is, if that holds it.
    pub(super) fn drag_split(&mut self, column: u16) {
        if self.dragging {
            self.side = Some(self.size.0.saturating_sub(column));
        }
    }

    pub(super) fn drop_split(&mut self) {
        self.dragging = false;
    }
}
