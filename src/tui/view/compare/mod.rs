//! `/compare`: the answers side by side, or one at a time under a table where it is narrow.

mod answer;
mod figures;
mod narrow;
mod wide;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use self::figures::doing;
use self::narrow::one_at_a_time;
use self::wide::side_by_side;
use super::frame::block;
use crate::human;
use crate::tui::areas::shrink;
use crate::tui::state::State;
use crate::tui::state::compare::{ComparisonView, Stage};
use crate::tui::text::{safe, wrap};
use crate::tui::theme::Theme;

/// Narrower columns make way for a table.
const COLUMN: u16 = 32;

/// What the status line says while the view is open.
pub(super) fn keys(c: &ComparisonView) -> String {
    let running = c
        .columns
        .iter()
        .enumerate()
        .rfind(|(_, column)| column.stage != Stage::Waiting);
    match running {
        Some((at, column)) if c.running => format!(
            "comparing {}/{} · {} {} · Esc stops",
            at + 1,
            c.columns.len(),
            column.policy,
            doing(column)
        ),
        _ if c.running => "comparing · Esc stops".to_owned(),
        _ => format!(
            "Esc closes · 1–{} keep an answer · ← → ↑ ↓ · y copy · r again",
            c.columns.len().max(1)
        ),
    }
}

/// Returns how far the answers can be scrolled.
pub(super) fn draw(state: &State, screen: Rect, buf: &mut Buffer) -> usize {
    let Some(c) = &state.comparison else {
        return 0;
    };
    let theme = state.theme();
    let mut area = Rect {
        height: screen.height - state.screen.areas.status.height,
        ..screen
    };
    if state.screen.areas.framed {
        let budgets = c.columns.iter().filter_map(|c| c.budget);
        let figure = match budgets.min() {
            Some(n) => format!("budget {}", human::thousands(n)),
            None => String::new(),
        };
        block("compare", &figure, true, theme).render(area, buf);
        area = shrink(area);
        area.x += 1;
        area.width = area.width.saturating_sub(2);
    }
    let area = head(c, area, theme, buf);
    let n = c.columns.len() as u16;
    if n == 0 || area.is_empty() {
        return 0;
    }
    match (area.width + 3) / n >= COLUMN + 3 && area.height >= 14 {
        true => side_by_side(c, area, theme, buf),
        false => one_at_a_time(c, area, theme, buf),
    }
}

/// The question and where the runs start; the rest of the area is returned.
fn head(c: &ComparisonView, area: Rect, theme: &Theme, buf: &mut Buffer) -> Rect {
    let question = c.plan.as_ref().map_or("", |p| p.question.as_str());
    // Of a long message the end is the question.
    let last = question.trim().lines().next_back();
    let line = last.unwrap_or_default().trim();
    let line = wrap::truncate(&safe::one_line(line), area.width.into());
    let mut lines = vec![Line::styled(
        line,
        Style::new().fg(theme.text).add_modifier(Modifier::BOLD),
    )];
    if area.height >= 14 {
        let past = wrap::truncate(&c.past(), area.width.into());
        lines.push(Line::styled(past, Style::new().fg(theme.dim)));
    }
    if let Some(why) = c.within().filter(|_| !c.running) {
        let why = wrap::wrap(&[Span::raw(why)], area.width.into());
        let style = Style::new().fg(theme.warning);
        lines.extend(why.into_iter().map(|l| l.patch_style(style)));
    }
    if area.height >= 14 {
        lines.push(Line::default());
    }
    let taken = (lines.len() as u16).min(area.height);
    for (line, y) in lines.iter().zip(area.y..area.y + taken) {
        buf.set_line(area.x, y, line, area.width);
    }
    Rect {
        y: area.y + taken,
        height: area.height - taken,
        ..area
    }
}
