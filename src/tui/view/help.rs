//! Keys and commands, over the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::frame::block;
use crate::tui::areas::shrink;
use crate::tui::state::State;
use crate::tui::state::command::COMMANDS;
use crate::tui::text::wrap;
use crate::tui::theme::Theme;

const KEYS: &[(&str, &[(&str, &str)])] = &[
    (
        "writing",
        &[
            ("Enter", "send"),
            ("Alt-Enter, Ctrl-J", "new line"),
            ("↑ ↓", "earlier messages"),
            ("@path", "a file, found with Tab"),
            ("Ctrl-G", "write in your editor"),
            ("Ctrl-_  Alt-_", "undo, redo"),
            ("Ctrl-X", "open the paste or file here"),
            ("Ctrl-A E K U W Y", "as in a shell"),
        ],
    ),
    (
        "conversation",
        &[
            ("Esc, Ctrl-C", "stop, keep what is there"),
            ("Ctrl-O", "go on with a stopped answer"),
            ("PgUp PgDn, Shift-↑ ↓", "scroll"),
            ("Ctrl-Home  Ctrl-End", "first, last line"),
            ("Ctrl-F, F10", "search"),
            ("Ctrl-T", "what the cache did, always"),
            ("Ctrl-R", "what the model thought"),
            ("Alt-↑ ↓", "pick a message: copy, edit"),
        ],
    ),
    (
        "panels",
        &[
            ("Tab", "into the panels and on"),
            ("← ↑ ↓ →", "move in a panel"),
            ("z, F2–F6", "whole screen and back"),
            ("Space, F7", "stand still, go on"),
            ("F8", "show or hide"),
        ],
    ),
    (
        "app",
        &[
            ("Alt-M", "models: pick another"),
            ("F9", "mouse off: select text"),
            ("Ctrl-L", "draw anew"),
            ("Ctrl-Z", "suspend"),
            ("Ctrl-C twice, Ctrl-D", "leave"),
        ],
    ),
];

const COLUMN: usize = 50;

/// Its lines, in two columns where there is room.
fn columns(screen: Rect, theme: &Theme) -> Vec<Vec<Line<'static>>> {
    let (keys, commands) = (keys(theme), commands(theme));
    match screen.width as usize >= 2 * COLUMN + 6 {
        true => vec![keys, commands],
        false => vec![keys.into_iter().chain(commands).collect()],
    }
}

/// How far it can be scrolled.
pub(super) fn last_top(screen: Rect, theme: &Theme) -> usize {
    let columns = columns(screen, theme);
    let tall = columns.iter().map(Vec::len).max().unwrap_or(0);
    tall.saturating_sub(screen.height.saturating_sub(2).into())
}

pub(super) fn draw(state: &State, screen: Rect, buf: &mut Buffer) {
    let theme = state.theme();
    let columns = columns(screen, theme);
    let tall = columns.iter().map(Vec::len).max().unwrap_or(0) as u16;
    let inner = (COLUMN * columns.len() + 2 * (columns.len() - 1)) as u16;
    let width = (inner + 4).min(screen.width);
    let height = (tall + 2).min(screen.height);
    let area = Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    };
    Clear.render(area, buf);
    buf.set_style(area, Style::new().fg(theme.text).bg(theme.background));
    let hidden = tall.saturating_sub(height.saturating_sub(2));
    let top = state.screen.help.unwrap_or(0).min(hidden.into());
    let figure = if hidden > 0 {
        "↑↓ · Esc"
    } else {
        "Esc closes"
    };
    block("help", figure, true, theme).render(area, buf);
    let area = shrink(area);
    let each = ((area.width.saturating_sub(1)) as usize / columns.len()).max(1);
    for (i, column) in columns.iter().enumerate() {
        let x = area.x + 1 + (i * each) as u16;
        let room = area.right().saturating_sub(x);
        for (line, y) in column.iter().skip(top).zip(area.top()..area.bottom()) {
            buf.set_line(x, y, line, room);
            if wrap::line_width(line) > usize::from(room) && room > 0 {
                buf.set_string(x + room - 1, y, "…", Style::new().fg(theme.dim));
            }
        }
    }
}

fn head<'a>(text: &'a str, theme: &Theme) -> Line<'a> {
    let style = Style::new().fg(theme.heading).add_modifier(Modifier::BOLD);
    Line::styled(text, style)
}

fn row(key: &str, means: &str, width: usize, theme: &Theme) -> Line<'static> {
    let key = wrap::truncate(key, width);
    let gap = width - wrap::width(&key) + 2;
    Line::from(vec![
        Span::styled(key, Style::new().fg(theme.accent)),
        Span::raw(" ".repeat(gap)),
        Span::styled(means.to_owned(), Style::new().fg(theme.dim)),
    ])
}

fn keys(theme: &Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for (i, (title, rows)) in KEYS.iter().enumerate() {
        if i > 0 {
            lines.push(Line::default());
        }
        lines.push(head(title, theme));
        lines.extend(rows.iter().map(|(k, m)| row(k, m, 20, theme)));
    }
    lines
}

fn commands(theme: &Theme) -> Vec<Line<'static>> {
    let mut lines = vec![head("commands", theme)];
    for command in COMMANDS {
        let name = format!("/{}", command.name);
        lines.push(row(&name, command.help, 9, theme));
    }
    lines
}
