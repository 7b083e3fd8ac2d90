//! An answer, with the place from which on it is another one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

use crate::tui::state::compare::{Column, Voice};
use crate::tui::text::wrap;
use crate::tui::theme::Theme;

/// An answer from line `top` on: what is the full cache's is dim, the first token that is not
/// stands out; thoughts are set apart. Returns how far `top` can go.
pub fn answer(
    column: &Column,
    dim: bool,
    top: usize,
    area: Rect,
    theme: &Theme,
    buf: &mut Buffer,
) -> usize {
    let stands_out = Style::new()
        .fg(theme.accent)
        .add_modifier(Modifier::BOLD | Modifier::REVERSED);
    let style = |voice, thought| {
        let colour = match (voice, thought) {
            (Voice::Other, _) => return stands_out,
            (_, true) => theme.dim,
            (Voice::Same, _) if dim => theme.dim,
            _ => theme.text,
        };
        match thought {
            true => Style::new().fg(colour).add_modifier(Modifier::ITALIC),
            false => Style::new().fg(colour),
        }
    };
    let said = &column.said;
    let mut spans = Vec::new();
    for (voice, thought, text) in said.pieces() {
        if voice == Voice::Other && text.trim().is_empty() {
            spans.push(Span::styled("▸", stands_out));
        }
        spans.push(Span::styled(text.to_owned(), style(voice, thought)));
    }
    let differs = said.pieces().any(|(voice, ..)| voice != Voice::Same);
    if said.diverged() && !differs {
        let text = match column.run.is_some() {
            true => "▸ ends here",
            false => "▸",
        };
        spans.push(Span::styled(text, stands_out));
    }
    let lines = wrap::wrap(&spans, area.width.into());
    let last = lines.len().saturating_sub(area.height.into());
    let shown = lines.iter().skip(top.min(last));
    for (line, y) in shown.zip(area.top()..area.bottom()) {
        buf.set_line(area.x, y, line, area.width);
    }
    last
}
