//! Frames around the panels.

use ratatui::buffer::Buffer;
use ratatui::widgets::Widget;

use super::areas::grow;
use super::frame::block;
use crate::tui::panel::{Look, Panel};
use crate::tui::state::{Focus, State};

/// The side column.
pub(super) fn side(state: &State, buf: &mut Buffer) {
    let focused = |panel| state.focus == Focus::Panel(panel);
    // The focused one last, so that its frame is whole.
    let order = [false, true];
    for turn in order {
        for &(panel, area) in &state.areas.panels {
            if focused(panel) == turn {
                framed(state, panel, area, false, buf);
            }
        }
    }
}

/// One panel over the whole screen.
pub(super) fn zoomed(state: &State, panel: Panel, buf: &mut Buffer) {
    for &(shown, area) in &state.areas.panels {
        if shown == panel {
            framed(state, panel, area, true, buf);
        }
    }
}

fn framed(
    state: &State,
    panel: Panel,
    area: ratatui::layout::Rect,
    zoomed: bool,
    buf: &mut Buffer,
) {
    let (theme, observed) = (state.theme(), state.shown());
    let focused = state.focus == Focus::Panel(panel);
    let mut figure = state.panels.summary(panel, observed);
    if state.frozen.is_some() {
        figure = "frozen".to_owned();
    }
    if state.areas.framed {
        block(panel.title(), &figure, focused, theme).render(grow(area), buf);
    }
    let look = Look {
        theme,
        focused,
        zoomed,
        ascii: state.ascii,
    };
    state.panels.render(panel, observed, area, buf, look);
}
