//! The mouse: scroll what is under it, pick what is clicked.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::{Effect, Focus, State};
use crate::tui::areas::Place;
use crate::tui::composer;

const LINES: isize = 3;

impl State {
    pub(super) fn mouse_event(&mut self, event: MouseEvent, _effects: &mut Vec<Effect>) {
        if self.comparing()
            && let Some(c) = self.comparison.as_mut()
        {
            match event.kind {
                MouseEventKind::ScrollUp => c.top = c.top.saturating_sub(LINES as usize),
                MouseEventKind::ScrollDown => c.top += LINES as usize,
                _ => {}
            }
            return;
        }
        let place = self.areas.at(event.column, event.row);
        match event.kind {
            MouseEventKind::ScrollUp => self.wheel(place, -1),
            MouseEventKind::ScrollDown => self.wheel(place, 1),
            MouseEventKind::Down(MouseButton::Left) if self.areas.on_split(event.column) => {
                self.dragging = true;
            }
            MouseEventKind::Drag(MouseButton::Left) if self.dragging => {
                self.side = Some(self.size.0.saturating_sub(event.column));
            }
            MouseEventKind::Up(_) => self.dragging = false,
            MouseEventKind::Down(MouseButton::Left) => self.click(place, event),
            _ => {}
        }
    }

    fn wheel(&mut self, place: Place, step: isize) {
        match place {
            Place::Panel(panel, _) => {
                let code = if step < 0 { KeyCode::Up } else { KeyCode::Down };
                let key = KeyEvent::new(code, KeyModifiers::NONE);
                let observed = self.frozen.as_deref().unwrap_or(&self.observed);
                self.panels.key(panel, key, observed);
            }
            _ => self.conversation.scroll.by(step * LINES),
        }
    }

    fn click(&mut self, place: Place, event: MouseEvent) {
        self.help = false;
        match place {
            Place::Panel(panel, area) => {
                self.focus = Focus::Panel(panel);
                let observed = self.frozen.as_deref().unwrap_or(&self.observed);
                self.panels
                    .click(panel, area, event.column, event.row, observed);
            }
            Place::Input(area) => {
                self.focus = Focus::Input;
                let buffer = &self.composer.buffer;
                let (rows, (row, _)) = composer::layout(
                    buffer.text(),
                    buffer.caret(),
                    &self.composer.elements,
                    self.context(),
                    self.areas.input_width(),
                );
                let first = (row + 1).saturating_sub(area.height.into());
                let at = first + usize::from(event.row - area.y);
                if let Some(row) = rows.get(at) {
                    let offset = row.offset(usize::from(event.column.saturating_sub(area.x)));
                    self.composer.buffer.set_caret(offset);
                }
            }
            Place::Badge => self.conversation.scroll.to_bottom(),
            Place::Conversation | Place::Nowhere => self.focus = Focus::Input,
        }
    }
}
