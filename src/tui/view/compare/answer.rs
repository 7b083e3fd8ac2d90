//! An answer, with the place from which on it is another one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

use crate::tui::state::compare::Column;
use crate::tui::text::wrap;
use crate::tui::theme::Theme;

/// An answer from line `top` on: what is the full cache's is dim, the first token that is not
/// stands out.
pub fn answer(column: &Column, dim: bool, top: usize, area: Rect, theme: &Theme, buf: &mut Buffer) {
    let same = if dim { theme.dim } else { theme.text };
    let mut spans = vec![Span::styled(column.same.clone(), Style::new().fg(same))];
    if column.diverged {
        let stands_out = Style::new()
            .fg(theme.accent)
            .add_modifier(Modifier::BOLD | Modifier::REVERSED);
        let ended = column.other.is_empty() && column.run.is_some();
        let other = match ended {
            true => "▸ ends here",
            false => column.other.as_str(),
        };
        spans.push(Span::styled(
            if other.trim().is_empty() {
                "▸".to_owned()
            } else {
                String::new()
            },
            stands_out,
        ));
        spans.push(Span::styled(other.to_owned(), stands_out));
        spans.push(Span::styled(
            column.rest.clone(),
            Style::new().fg(theme.text),
        ));
    }
    let lines = wrap::wrap(&spans, area.width.into());
    let top = top.min(lines.len().saturating_sub(area.height.into()));
    for (line, y) in lines.iter().skip(top).zip(area.top()..area.bottom()) {
        buf.set_line(area.x, y, line, area.width);
    }
}
