//! The lines of the conversation in view.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::tui::state::State;

pub(super) fn draw(state: &State, area: Rect, buf: &mut Buffer) {
    for (line, y) in state.conversation.visible().zip(area.top()..area.bottom()) {
        buf.set_line(area.x, y, line, area.width);
    }
    if let Some(from) = state.editing() {
        fade(state, from, area, buf);
    }
    if let Some(entry) = state.selected {
        mark(state, entry, area, buf);
    }
    if let Some(search) = state.search.as_ref().filter(|s| !s.query.is_empty()) {
        highlight(state, &search.query, search.at, area, buf);
    }
}

/// What gives way when the question that is edited is sent.
fn fade(state: &State, from: usize, area: Rect, buf: &mut Buffer) {
    let theme = state.theme();
    let (top, _) = state.conversation.span(from);
    let above = top.saturating_sub(state.conversation.scroll.top());
    let rows = state.conversation.visible().count().saturating_sub(above);
    let mut faded = Rect {
        y: area
            .y
            .saturating_add(u16::try_from(above).unwrap_or(u16::MAX)),
        height: u16::try_from(rows).unwrap_or(u16::MAX),
        ..area
    };
    faded = faded.intersection(area);
    // The gap below the last message is not marked.
    let blank =
        |y: u16, buf: &Buffer| (area.left()..area.right()).all(|x| buf[(x, y)].symbol() == " ");
    while faded.height > 0 && blank(faded.bottom() - 1, buf) {
        faded.height -= 1;
    }
    let mut style = Style::new().fg(theme.faint).bg(theme.background);
    if theme.depth == crate::tui::theme::Depth::None {
        style = style.add_modifier(Modifier::DIM);
    }
    buf.set_style(faded, style.remove_modifier(Modifier::BOLD));
    for y in faded.top()..faded.bottom() {
        if let Some(cell) = buf.cell_mut((area.x.saturating_sub(1), y)) {
            cell.set_symbol("┊").set_fg(theme.warning);
        }
    }
}

/// A bar beside the picked message.
fn mark(state: &State, entry: usize, area: Rect, buf: &mut Buffer) {
    let (top, lines) = state.conversation.span(entry);
    let first = state.conversation.scroll.top();
    for line in top..top + lines.saturating_sub(1) {
        if let Some(row) = line.checked_sub(first)
            && row < usize::from(area.height)
        {
            let y = area.y + row as u16;
            let style = Style::new().bg(state.theme().selection);
            buf.set_style(
                Rect {
                    y,
                    height: 1,
                    ..area
                },
                style,
            );
            if let Some(cell) = buf.cell_mut((area.x.saturating_sub(1), y)) {
                cell.set_symbol("▌").set_fg(state.theme().accent);
            }
        }
    }
}

/// Every place in view that has the text that is searched for.
fn highlight(state: &State, query: &str, at: Option<usize>, area: Rect, buf: &mut Buffer) {
    let theme = state.theme();
    let cells = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    for found in state.conversation.found(query) {
        let above = found.line - state.conversation.scroll.top();
        let row = Rect {
            x: area.x.saturating_add(cells(found.cells.start)),
            y: area.y.saturating_add(cells(above)),
            width: cells(found.cells.len()),
            height: 1,
        };
        let style = match at == Some(found.begins) {
            true => Style::new().fg(theme.background).bg(theme.accent),
            false => Style::new()
                .bg(theme.selection)
                .add_modifier(Modifier::BOLD),
        };
        // Without colours, both are seen.
        let style = match theme.depth {
            crate::tui::theme::Depth::None => style.add_modifier(Modifier::REVERSED),
            _ => style,
        };
        buf.set_style(row.intersection(area), style);
    }
}
