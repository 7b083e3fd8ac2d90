//! The answers side by side.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::answer::answer;
use super::figures::figures;
use crate::human;
use crate::tui::state::compare::{Column, ComparisonView};
use crate::tui::text::wrap;
use crate::tui::theme::Theme;

/// A column for each policy. Returns how far the longest answer can be scrolled.
pub fn side_by_side(c: &ComparisonView, area: Rect, theme: &Theme, buf: &mut Buffer) -> usize {
    let n = c.columns.len() as u16;
    // A rule with a cell on each side between two columns.
    let width = (area.width + 3) / n - 3;
    let mut last = 0;
    for (i, column) in c.columns.iter().enumerate() {
        let x = area.x + i as u16 * (width + 3);
        let area = Rect { x, width, ..area };
        if i > 0 {
            let rule = Style::new().fg(theme.border);
            for y in area.top()..area.bottom() {
                buf[(x - 2, y)].set_symbol("│").set_style(rule);
            }
        }
        let mut lines = vec![title(i, column, i == c.column, width.into(), theme)];
        lines.extend(figures(column, width.into(), theme));
        lines.push(Line::default());
        let taken = lines.len().min(area.height.into()) as u16;
        for (line, y) in lines.iter().zip(area.y..area.y + taken) {
            buf.set_line(x, y, line, width);
        }
        let rest = Rect {
            y: area.y + taken,
            height: area.height - taken,
            ..area
        };
        last = last.max(answer(column, i > 0, c.top, rest, theme, buf));
    }
    last
}

fn title(i: usize, column: &Column, picked: bool, width: usize, theme: &Theme) -> Line<'static> {
    let colour = if picked { theme.accent } else { theme.title };
    let name = format!("{} {}", i + 1, column.policy);
    let budget = match column.budget {
        Some(n) => format!("{} per head", human::thousands(n)),
        None => "no bound".to_owned(),
    };
    let gap = width.saturating_sub(wrap::width(&name) + wrap::width(&budget));
    let style = Style::new().fg(colour).add_modifier(Modifier::BOLD);
    let mut spans = vec![Span::styled(wrap::truncate(&name, width), style)];
    if gap > 0 {
        spans.push(Span::raw(" ".repeat(gap)));
        spans.push(Span::styled(budget, Style::new().fg(theme.faint)));
    }
    Line::from(spans)
}
