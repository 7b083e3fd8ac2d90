//! The mouse: scroll what is under it, pick what is clicked.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::{Focus, State};
use crate::tui::areas::Place;
use crate::tui::composer;

const LINES: isize = 3;

impl State {
    pub(super) fn mouse_event(&mut self, event: MouseEvent) {
        let wheel = match event.kind {
            MouseEventKind::ScrollUp => -LINES,
            MouseEventKind::ScrollDown => LINES,
            _ => 0,
        };
        if let Some(top) = self.screen.help.as_mut().filter(|_| wheel != 0) {
            *top = top.saturating_add_signed(wheel);
            return;
        }
        if self.comparing()
            && let Some(c) = self.comparison.as_mut()
        {
            c.top = c.top.saturating_add_signed(wheel);
            return;
        }
        let place = self.screen.areas.at(event.column, event.row);
        match event.kind {
            MouseEventKind::ScrollUp => self.wheel(place, -1),
            MouseEventKind::ScrollDown => self.wheel(place, 1),
            MouseEventKind::Down(MouseButton::Left) if self.screen.areas.on_split(event.column) => {
                self.screen.hold_split();
            }
            MouseEventKind::Drag(MouseButton::Left) => self.screen.drag_split(event.column),
            MouseEventKind::Up(_) => self.screen.drop_split(),
            MouseEventKind::Down(MouseButton::Left) => self.click(place, event),
            _ => {}
        }
    }

    fn wheel(&mut self, place: Place, step: isize) {
        match place {
            Place::Panel(panel, _) => self.dashboard.wheel(panel, step),
            _ => self.conversation.scroll.by(step * LINES),
        }
    }

    fn click(&mut self, place: Place, event: MouseEvent) {
        self.screen.help = None;
        match place {
            Place::Panel(panel, area) => {
                self.screen.focus = Focus::Panel(panel);
                self.dashboard.click(panel, area, event.column, event.row);
            }
            Place::Input(area) => {
                self.screen.focus = Focus::Input;
                let buffer = &self.composer.buffer;
                let (rows, (row, _)) = composer::layout(
                    buffer.text(),
                    buffer.caret(),
                    &self.composer.elements,
                    self.context(),
                    self.screen.areas.input_width(),
                );
                let first = (row + 1).saturating_sub(area.height.into());
                let at = first + usize::from(event.row - area.y);
                if let Some(row) = rows.get(at) {
                    let offset = row.offset(usize::from(event.column.saturating_sub(area.x)));
                    self.composer.buffer.set_caret(offset);
                }
            }
            Place::Badge => self.conversation.scroll.to_bottom(),
            Place::Conversation | Place::Nowhere => self.screen.focus = Focus::Input,
        }
    }
}
