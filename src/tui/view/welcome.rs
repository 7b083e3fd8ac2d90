//! What stands in an empty conversation: how to begin, or how far the model is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::tui::state::{Phase, State};
use crate::tui::text::{safe, wrap};

pub(super) fn draw(state: &State, area: Rect, buf: &mut Buffer) {
    let theme = state.theme();
    let dim = Style::new().fg(theme.dim);
    let key = Style::new().fg(theme.accent);
    let name = Style::new()
        .fg(theme.assistant)
        .add_modifier(Modifier::BOLD);
    let mut lines = vec![Line::styled("cachat", name)];
    let about = Span::styled("chat with long documents, and watch the KV cache work", dim);
    lines.extend(wrap::wrap(&[about], area.width.into()));
    lines.push(Line::default());
    let head = lines.len();
    let bar = |share: f64| {
        let cells = usize::from(area.width).min(40);
        let done = (share.clamp(0.0, 1.0) * cells as f64).round() as usize;
        Line::from(vec![
            Span::styled("━".repeat(done), Style::new().fg(theme.bar)),
            Span::styled("─".repeat(cells - done), Style::new().fg(theme.track)),
        ])
    };
    match &state.activity.phase {
        Phase::Fetching { what, done, total } => {
            lines.push(Line::styled(safe::one_line(what), dim));
            let share = total.map_or(0.0, |t| *done as f64 / t.max(1) as f64);
            lines.push(bar(share));
            lines.push(Line::styled(super::status::fetching(*done, *total), dim));
            lines.push(Line::default());
            lines.push(Line::from(vec![
                Span::styled("  Alt-M  ", key),
                Span::styled("another model in its place", dim),
            ]));
        }
        Phase::Starting => lines.push(Line::styled("looking for the model …", dim)),
        Phase::Loading(share) => {
            lines.push(Line::styled("loading the model", dim));
            lines.push(bar(f64::from(*share)));
        }
        _ => {
            let rows = [
                ("type", "a question and press Enter", "a question, Enter"),
                ("paste", "a long text, or /file PATH", "a text, or /file"),
                ("/", "commands: policy, budget, theme …", "commands"),
                ("Alt-M", "models: what is here, what fits", "the models"),
                (
                    "Tab",
                    "into the panels, F2–F6 enlarge one",
                    "into the panels",
                ),
                ("F1", "all keys", "all keys"),
            ];
            let room = usize::from(area.width).saturating_sub(9);
            for (what, means, short) in rows {
                let means = match wrap::width(means) <= room {
                    true => means,
                    false => short,
                };
                lines.push(Line::from(vec![
                    Span::styled(format!("{what:>7}  "), key),
                    Span::styled(means, dim),
                ]));
            }
        }
    }
    let width = lines.iter().map(wrap::line_width).max().unwrap_or(0);
    let width = (width as u16).min(area.width);
    // Where there is little room, the hints matter more than the name.
    let skip = lines.len().saturating_sub(area.height.into()).min(head);
    let height = (lines.len() - skip).min(area.height.into()) as u16;
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 3;
    for (line, y) in lines.iter().skip(skip).zip(y..area.bottom()) {
        let row = Rect {
            x,
            y,
            width,
            height: 1,
        };
        line.render(row, buf);
    }
}
