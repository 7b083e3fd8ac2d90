//! THE VIEW: from the state to cells. [`prepare`] lays out what depends on the size; [`draw`] only
//! reads.

mod ascii;
mod clusters;
mod compare;
mod conversation;
mod frame;
mod help;
mod input;
mod panels;
mod plan;
mod status;
#[cfg(test)]
mod tests;
mod welcome;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::areas::Areas;
use super::state::State;

/// Lays out the screen; to be called before [`draw`] whenever something changed.
pub fn prepare(state: &mut State, area: Rect) {
    state.screen.size = (area.width, area.height);
    let mut areas = Areas::plan(state, area);
    let theme = state.theme().clone();
    let text = areas.conversation;
    state
        .conversation
        .layout(text.width.into(), text.height.into(), &theme);
    areas.plan_badge(state);
    state.screen.areas = areas;
    if let Some(top) = &mut state.screen.help {
        *top = help::last_top(area, &theme).min(*top);
    }
    if state.comparing() {
        // How far it can be scrolled is known once it is drawn.
        let last = compare::draw(state, area, &mut Buffer::empty(area));
        if let Some(c) = &mut state.comparison {
            c.top = c.top.min(last);
        }
    }
}

/// Draws the whole screen.
pub fn draw(state: &State, frame: &mut Frame) {
    let theme = state.theme();
    let area = frame.area();
    let base = Style::new().fg(theme.text).bg(theme.background);
    frame.buffer_mut().set_style(area, base);
    let areas = &state.screen.areas;
    match state.screen.zoom {
        Some(panel) => panels::zoomed(state, panel, frame.buffer_mut()),
        None if state.comparing() => {
            compare::draw(state, area, frame.buffer_mut());
        }
        None => {
            frame::columns(state, frame.buffer_mut());
            match state.conversation.is_empty() {
                true => welcome::draw(state, areas.conversation, frame.buffer_mut()),
                false => conversation::draw(state, areas.conversation, frame.buffer_mut()),
            }
            panels::side(state, frame.buffer_mut());
            let caret = input::draw(state, areas.input, frame.buffer_mut());
            if state.screen.help.is_none()
                && let Some(caret) = caret
            {
                frame.set_cursor_position(caret);
            }
        }
    }
    status::draw(state, areas.status, frame.buffer_mut());
    if state.screen.help.is_some() {
        help::draw(state, area, frame.buffer_mut());
    }
    if state.screen.ascii {
        ascii::fold(frame.buffer_mut());
    }
    clusters::split(frame.buffer_mut());
}
