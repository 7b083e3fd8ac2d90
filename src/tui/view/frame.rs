//! Borders and titles.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::symbols::merge::MergeStrategy;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Widget};

use crate::human;
use crate::tui::areas::grow;
use crate::tui::state::{Focus, State};
use crate::tui::theme::Theme;

/// A frame with a title at the left and a figure at the right of its upper edge.
pub(super) fn block<'a>(
    title: &'a str,
    figure: &'a str,
    focused: bool,
    theme: &Theme,
) -> Block<'a> {
    let (edge, name) = match focused {
        true => (theme.accent, theme.accent),
        false => (theme.border, theme.title),
    };
    let mut block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(Style::new().fg(edge))
        .merge_borders(MergeStrategy::Fuzzy);
    if !title.is_empty() {
        let style = match focused {
            true => Style::new().fg(name).add_modifier(Modifier::BOLD),
            false => Style::new().fg(name),
        };
        block = block.title_top(Line::from(Span::styled(format!(" {title} "), style)));
    }
    if !figure.is_empty() {
        let figure = Span::styled(format!(" {figure} "), Style::new().fg(theme.dim));
        block = block.title_top(Line::from(figure).right_aligned());
    }
    block
}

/// Frames of the conversation and the input, or a rule between them where there is no room.
pub(super) fn columns(state: &State, buf: &mut Buffer) {
    let (areas, theme) = (&state.screen.areas, state.theme());
    let waiting = match state.sending.queue.len() {
        0 => String::new(),
        1 => "1 message waits".to_owned(),
        n => format!("{} messages wait", human::thousands(n)),
    };
    let divide = areas.conversation.bottom();
    if !areas.framed {
        if divide < areas.input.y {
            let rule = Style::new().fg(theme.border);
            for x in areas.main.left()..areas.main.right() {
                buf[(x, divide)].set_symbol("─").set_style(rule);
            }
            if !waiting.is_empty() {
                buf.set_stringn(
                    areas.main.x + 1,
                    divide,
                    format!(" {waiting} "),
                    areas.main.width.saturating_sub(2).into(),
                    Style::new().fg(theme.dim),
                );
            }
        }
        return badge(state, buf);
    }
    let upper = Rect {
        height: divide + 1 - areas.main.y,
        ..areas.main
    };
    let lower = Rect {
        y: divide,
        height: areas.main.bottom() - divide,
        ..areas.main
    };
    block("conversation", "", false, theme).render(upper, buf);
    block("", &waiting, false, theme).render(lower, buf);
    if state.screen.focus == Focus::Input {
        // Only the prompt shows the focus: a bright frame around it would shout.
    }
    scroll_bar(state, buf);
    badge(state, buf);
}

fn scroll_bar(state: &State, buf: &mut Buffer) {
    let area = state.screen.areas.conversation;
    let Some((top, share)) = state.conversation.scroll.thumb() else {
        return;
    };
    let height = f64::from(area.height);
    let length = (share * height).round().clamp(1.0, height.max(1.0)) as u16;
    let first = ((top * height).round() as u16).min(area.height.saturating_sub(length));
    let x = grow(grow(area)).right() - 1;
    for y in area.y + first..area.y + first + length {
        if let Some(cell) = buf.cell_mut((x, y)) {
            cell.set_symbol("┃").set_fg(state.theme().dim);
        }
    }
}

fn badge(state: &State, buf: &mut Buffer) {
    let Some(area) = state.screen.areas.badge else {
        return;
    };
    let scroll = &state.conversation.scroll;
    let (text, colour) = match scroll.unseen() {
        true => (" ↓ new below ".to_owned(), state.theme().accent),
        false => (
            format!(" ↓ {} lines ", human::thousands(scroll.below())),
            state.theme().dim,
        ),
    };
    let line = Line::from(Span::styled(text, Style::new().fg(colour))).right_aligned();
    line.render(area, buf);
}
