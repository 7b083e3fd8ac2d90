//! Plans the screen, from 20×5 to 300×80.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::areas::{Areas, SIDE_FROM, shrink};
use crate::tui::composer;
use crate::tui::panel::Panel;
use crate::tui::state::State;
use crate::tui::text::wrap;

/// Lower screens have no side column and no frames.
const FRAMES_FROM: (u16, u16) = (44, 12);
const SIDE: (u16, u16) = (30, 62);
/// Cells of the input's prompt.
pub(super) const PROMPT: u16 = 2;

impl Areas {
    /// Plans a screen of this size.
    pub fn plan(state: &State, area: Rect) -> Areas {
        let mut areas = Areas {
            framed: area.width >= FRAMES_FROM.0 && area.height >= FRAMES_FROM.1,
            ..Areas::default()
        };
        let status = u16::from(area.height >= 3);
        areas.status = Rect {
            y: area.bottom() - status,
            height: status,
            ..area
        };
        let body = Rect {
            height: area.height - status,
            ..area
        };
        if let Some(panel) = state.screen.zoom {
            let inner = match areas.framed {
                true => shrink(body),
                false => body,
            };
            let about = about(panel, inner, areas.framed);
            let height = inner.height - about.len() as u16;
            areas.panels.push((panel, Rect { height, ..inner }));
        }
        let side = match areas.framed && state.screen.panels_open && area.width >= SIDE_FROM {
            true => match state.screen.side {
                // Dragged: as long as both sides stay readable.
                Some(side) => side.clamp(SIDE.0 - 6, area.width - FRAMES_FROM.0 + 6),
                None => ((u32::from(area.width) * 36 / 100) as u16).clamp(SIDE.0, SIDE.1),
            }
            .clamp(SIDE.0 - 6, SIDE.1.max(area.width / 2)),
            false => 0,
        };
        areas.main = Rect {
            width: body.width - side,
            ..body
        };
        areas.main_column(state);
        if side > 0 && state.screen.zoom.is_none() {
            let column = Rect {
                x: areas.main.right(),
                width: side,
                ..body
            };
            areas.side_column(state, column);
        }
        areas
    }

    fn main_column(&mut self, state: &State) {
        // A frame takes a cell on each side, and its text keeps one more from it.
        let edge = if self.framed { 2 } else { 0 };
        let rule = u16::from(self.main.height >= 4);
        let width = self.main.width.saturating_sub(2 * edge);
        let most = (self.main.height / 3).max(1);
        let rows = composer::layout(
            state.composer.buffer.text(),
            state.composer.buffer.caret(),
            &state.composer.elements,
            state.context(),
            width.saturating_sub(PROMPT).into(),
        )
        .0
        .len();
        let rows = (rows.min(most.into()) as u16).min(self.main.height);
        let around = u16::from(self.framed);
        let bottom = self.main.bottom() - around;
        self.input = Rect {
            x: self.main.x + edge + PROMPT.min(width),
            y: bottom - rows,
            width: width.saturating_sub(PROMPT),
            height: rows,
        };
        let top = self.main.y + around;
        self.conversation = Rect {
            x: self.main.x + edge,
            y: top,
            width,
            height: (bottom - rows).saturating_sub(rule + top),
        };
        // The choices stand below the rule, and not over the message that they belong to.
        let choices = match state.refusal_choices() {
            Some(_) => state.popup().len() as u16,
            None => 0,
        };
        self.conversation.height -= choices.min(self.conversation.height / 2);
    }

    /// The badge: what is below is known once the conversation is laid out.
    pub(super) fn plan_badge(&mut self, state: &State) {
        let room = self.conversation.bottom() < self.input.y && self.conversation.width > 16;
        let below = !state.conversation.scroll.following();
        self.badge = (below && room).then(|| Rect {
            x: self.conversation.right() - 14,
            y: self.conversation.bottom(),
            width: 14,
            height: 1,
        });
    }

    fn side_column(&mut self, state: &State, column: Rect) {
        let width = column.width - 2;
        let observed = state.shown();
        let mut wish = vec![
            (Panel::Budgets, 5, 0),
            (Panel::Memory, 5, 0),
            (Panel::Evictions, 3, 0),
        ];
        if column.height >= 46 {
            wish.push((Panel::Speed, 4, 0));
        }
        // Frames: one line above each panel and one below the last.
        let mut left = column.height.saturating_sub(wish.len() as u16 + 1);
        for (_, least, given) in &mut wish {
            *given = left.min(*least);
            left -= *given;
        }
        for (panel, _, given) in &mut wish {
            let wanted = state.dashboard.panels.wanted(*panel, observed, width);
            let more = wanted.saturating_sub(*given).min(left);
            *given += more;
            left -= more;
        }
        let mut y = column.y + 1;
        for (panel, _, given) in wish {
            let rest = if panel == Panel::Evictions { left } else { 0 };
            let height = given + rest;
            let area = Rect {
                x: column.x + 1,
                y,
                width,
                height,
            };
            self.panels.push((panel, area));
            y += height + 1;
        }
    }
}

/// What a zoomed panel says of itself below, where there is room for it.
pub(super) fn about(panel: Panel, inner: Rect, framed: bool) -> Vec<Line<'static>> {
    const ROOM: u16 = 30;
    match framed && inner.height >= ROOM {
        true => wrap::wrap(
            &[Span::raw(panel.about())],
            usize::from(inner.width).min(110),
        ),
        false => Vec::new(),
    }
}
