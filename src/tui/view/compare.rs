//! `/compare`: the answers side by side, or one at a time under a table where it is narrow.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::areas::shrink;
use super::frame::block;
use crate::engine::compare::Run;
use crate::tui::human;
use crate::tui::state::State;
use crate::tui::state::compare::{Column, ComparisonView, Stage};
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
            "1–{} keep an answer · ← → ↑ ↓ · y copy · r again · Esc closes",
            c.columns.len().max(1)
        ),
    }
}

pub(super) fn draw(state: &State, screen: Rect, buf: &mut Buffer) {
    let Some(c) = &state.comparison else {
        return;
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
        return;
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

fn side_by_side(c: &ComparisonView, area: Rect, theme: &Theme, buf: &mut Buffer) {
    let n = c.columns.len() as u16;
    // A rule with a cell on each side between two columns.
    let width = (area.width + 3) / n - 3;
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
        answer(column, i > 0, c.top, rest, theme, buf);
    }
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

/// What a run is at, in words.
fn doing(column: &Column) -> String {
    match column.stage {
        Stage::Waiting => "waits".to_owned(),
        Stage::Reading(share) => format!("reads {}", human::percent_whole(share)),
        Stage::Answering(n) => format!("answers {}", human::thousands(n)),
        Stage::Measuring(share) => format!("is measured {}", human::percent_whole(share)),
        Stage::Done => "done".to_owned(),
        Stage::Stopped => "was stopped".to_owned(),
    }
}

/// Rows of figures; as many for every column.
fn figures(column: &Column, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let row = |label: &str, value: String| {
        Line::from(vec![
            Span::styled(format!("{label:<8}"), Style::new().fg(theme.dim)),
            Span::styled(value, Style::new().fg(theme.text)),
        ])
    };
    let Some(run) = &column.run else {
        let share = match column.stage {
            Stage::Reading(share) | Stage::Measuring(share) => share,
            _ => 0.0,
        };
        let mut lines = vec![
            bar(share, width, theme),
            Line::styled(doing(column), Style::new().fg(theme.dim)),
        ];
        lines.resize(FIGURES, Line::default());
        return lines;
    };
    let f = Figures::of(run);
    vec![
        bar(f.share, width, theme),
        row("cache", format!("{} · {} of full", f.cache, f.of_full)),
        row("keeps", format!("{} of the attention", f.keeps)),
        row(
            "KL",
            match run.kl_mean {
                Some(_) => format!("{} nats {}", f.kl, spark(&run.kl, width.saturating_sub(22))),
                None => f.kl.clone(),
            },
        ),
        row(
            "agrees",
            match run.top1_agree {
                Some(_) => format!("{} of the tokens", f.agrees),
                None => f.agrees.clone(),
            },
        ),
        row(
            "reads",
            format!(
                "{} tok/s · {}",
                f.reads,
                human::duration(run.prefill_seconds)
            ),
        ),
        row(
            "writes",
            format!(
                "{} tok/s · {} tokens",
                f.writes,
                human::thousands(run.generated_tokens)
            ),
        ),
        row("differs", differs(run)),
    ]
}

const FIGURES: usize = 8;

/// Figures as they are written everywhere.
struct Figures {
    share: f64,
    cache: String,
    of_full: String,
    keeps: String,
    kl: String,
    agrees: String,
    reads: String,
    writes: String,
}

impl Figures {
    fn of(run: &Run) -> Figures {
        let share = run.kv_used_bytes as f64 / run.kv_full_bytes.max(1) as f64;
        let dash = || "–".to_owned();
        Figures {
            share,
            cache: human::bytes(run.kv_used_bytes),
            of_full: human::percent_whole(share),
            keeps: human::percent(run.retained_mass),
            kl: run.kl_mean.map_or_else(dash, |kl| format!("{kl:.4}")),
            agrees: run.top1_agree.map_or_else(dash, human::percent_whole),
            reads: human::rate(run.prefill_tokens_per_second),
            writes: human::rate(run.decode_tokens_per_second),
        }
    }
}

fn differs(run: &Run) -> String {
    match run.first_divergence {
        Some(at) => format!("from token {} on", human::thousands(at + 1)),
        None if run.budget.is_none() => "– it is the yardstick".to_owned(),
        None => "nowhere".to_owned(),
    }
}

fn bar(share: f64, width: usize, theme: &Theme) -> Line<'static> {
    let done = (share.clamp(0.0, 1.0) * width as f64).round() as usize;
    Line::from(vec![
        Span::styled("━".repeat(done), Style::new().fg(theme.bar)),
        Span::styled("─".repeat(width - done), Style::new().fg(theme.track)),
    ])
}

/// The KL over the steps, the highest step a full block.
fn spark(kl: &[f64], cells: usize) -> String {
    let cells = cells.min(24).min(kl.len());
    let most = kl.iter().copied().fold(0.0, f64::max);
    if cells == 0 || most <= 0.0 {
        return String::new();
    }
    let level = |i: usize| {
        let (from, to) = (i * kl.len() / cells, (i + 1) * kl.len() / cells);
        let peak = kl[from..to].iter().copied().fold(0.0, f64::max);
        let level = (peak / most * 7.0).round() as usize;
        ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][level.min(7)]
    };
    (0..cells).map(level).collect()
}

/// An answer from line `top` on: what is the full cache's is dim, the first token that is not
/// stands out.
fn answer(column: &Column, dim: bool, top: usize, area: Rect, theme: &Theme, buf: &mut Buffer) {
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

fn one_at_a_time(c: &ComparisonView, area: Rect, theme: &Theme, buf: &mut Buffer) {
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
            None => format!("{name:<16}{}", doing(column)),
        };
        put(Line::styled(text, Style::new().fg(colour)));
    }
    let Some(column) = c.columns.get(c.column) else {
        return;
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
    answer(column, c.column > 0, c.top, rest, theme, buf);
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
