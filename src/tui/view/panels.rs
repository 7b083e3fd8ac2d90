//! Frames around the panels.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::frame::block;
use super::plan::about;
use crate::tui::areas::grow;
use crate::tui::panel::{Look, Panel};
use crate::tui::state::{Focus, State};

/// The side column.
pub(super) fn side(state: &State, buf: &mut Buffer) {
    let focused = |panel| state.screen.focus == Focus::Panel(panel);
    // The focused one last, so that its frame is whole.
    let order = [false, true];
    for turn in order {
        for &(panel, area) in &state.screen.areas.panels {
            if focused(panel) == turn {
                framed(state, panel, area, buf);
            }
        }
    }
}

/// One panel over the whole screen.
pub(super) fn zoomed(state: &State, panel: Panel, buf: &mut Buffer) {
    let theme = state.theme();
    for &(shown, area) in &state.screen.areas.panels {
        if shown != panel {
            continue;
        }
        if state.screen.areas.framed {
            // What it says of itself, and the frame around both.
            let status = state.screen.areas.status.y;
            let inner = Rect {
                height: status.saturating_sub(area.y + 1),
                ..area
            };
            let lines = about(panel, inner, true);
            for (line, y) in lines.into_iter().zip(area.bottom()..) {
                let line = line.style(Style::new().fg(theme.dim));
                buf.set_line(area.x, y, &line, area.width);
            }
            let keys = format!(" {} ", panel.keys());
            let keys = Span::styled(keys, Style::new().fg(theme.dim));
            let figure = figure(state, panel);
            block(panel.title(), &figure, true, theme)
                .title_bottom(Line::from(keys).right_aligned())
                .render(grow(inner), buf);
        }
        inside(state, panel, area, true, buf);
    }
}

fn framed(state: &State, panel: Panel, area: Rect, buf: &mut Buffer) {
    let focused = state.screen.focus == Focus::Panel(panel);
    if state.screen.areas.framed {
        let figure = figure(state, panel);
        block(panel.title(), &figure, focused, state.theme()).render(grow(area), buf);
    }
    inside(state, panel, area, false, buf);
}

fn figure(state: &State, panel: Panel) -> String {
    match state.dashboard.frozen() {
        true => "frozen".to_owned(),
        false => state.dashboard.panels.summary(panel, state.shown()),
    }
}

fn inside(state: &State, panel: Panel, area: Rect, zoomed: bool, buf: &mut Buffer) {
    let (theme, observed) = (state.theme(), state.shown());
    let focused = state.screen.focus == Focus::Panel(panel);
    let look = Look {
        theme,
        focused,
        zoomed,
        ascii: state.screen.ascii,
    };
    state
        .dashboard
        .panels
        .render(panel, observed, area, buf, look);
}
