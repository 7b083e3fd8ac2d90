//! A table, and one answer at a time under it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::answer::answer;
use super::figures::{Figures, differs, doing};
use crate::tui::state::compare::ComparisonView;
use crate::tui::text::wrap;
use crate::tui::theme::Theme;

/// All policies in a table, and the answer of the one picked. Returns how far that can be scrolled.
pub fn one_at_a_time(c: &ComparisonView, area: Rect, theme: &Theme, buf: &mut Buffer) -> usize {
    let width = usize::from(area.width);
    let mut y = area.y;
    let mut put = |line: Line<'static>| {
        if y < area.bottom() {
            buf.set_line(area.x, y, &line, area.width);
            y += 1;
        }
    };
    if area.height >= 12 {
        let heads = ["cache", "of full", "keeps", "KL", "agrees", "tok/s"];
        let style = Style::new().fg(theme.faint);
        put(Line::styled(table_row("  policy", heads, width), style));
    }
    for (i, column) in c.columns.iter().enumerate() {
        let picked = i == c.column;
        let name = format!("{} {}", if picked { "›" } else { " " }, column.policy);
        let colour = if picked { theme.accent } else { theme.text };
        let text = match &column.run {
            Some(run) => {
                let f = Figures::of(run);
                let cells = [&f.cache, &f.of_full, &f.keeps, &f.kl, &f.agrees, &f.writes];
                table_row(&name, cells.map(String::as_str), width)
            }
            None => {
                let name = wrap::truncate(&name, 15);
                let gap = " ".repeat(16 - wrap::width(&name));
                format!("{name}{gap}{}", doing(column))
            }
        };
        put(Line::styled(text, Style::new().fg(colour)));
    }
    let Some(column) = c.columns.get(c.column) else {
        return 0;
    };
    let how = match &column.run {
        Some(run) => format!(" {} · differs {} ", column.policy, differs(run)),
        None => format!(" {} ", column.policy),
    };
    let how = wrap::truncate(&how.replace("differs –", "–"), width);
    let rule = "─".repeat(width.saturating_sub(wrap::width(&how) + 1));
    let border = Style::new().fg(theme.border);
    put(Line::from(vec![
        Span::styled("─", border),
        Span::styled(how, Style::new().fg(theme.dim)),
        Span::styled(rule, border),
    ]));
    let rest = Rect {
        y,
        height: area.bottom() - y,
        ..area
    };
    answer(column, c.column > 0, c.top, rest, theme, buf)
}

/// A row of the table: the last columns go first where it is narrow.
fn table_row(name: &str, cells: [&str; 6], width: usize) -> String {
    let (first, widths) = match width < 50 {
        // The bytes, their share and the KL say most.
        true => (14, [10, 7, 0, 8, 0, 0]),
        false => (16, [11, 9, 9, 9, 8, 8]),
    };
    let mut line = wrap::truncate(name, first);
    line.push_str(&" ".repeat(first - wrap::width(&line)));
    for (cell, w) in cells.iter().zip(widths).filter(|(_, w)| *w > 0) {
        if wrap::width(&line) + w > width {
            break;
        }
        let gap = w.saturating_sub(wrap::width(cell));
        line.push_str(&" ".repeat(gap));
        line.push_str(cell);
    }
    line
}
