//! The input with its prompt, its completions above it, and the caret.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::plan::PROMPT;
use crate::human;
use crate::tui::composer;
use crate::tui::state::{Completion, Focus, Phase, State, models};
use crate::tui::text::wrap;

/// Most lines of the completion popup.
const POPUP: usize = 10;

/// Draws the input; returns where the terminal's cursor belongs, if it is here.
pub(super) fn draw(state: &State, area: Rect, buf: &mut Buffer) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    let theme = state.theme();
    let focused = state.screen.focus == Focus::Input;
    let prompt = Style::new().add_modifier(Modifier::BOLD).fg(match focused {
        true => theme.accent,
        false => theme.faint,
    });
    buf.set_string(area.x.saturating_sub(PROMPT), area.y, "›", prompt);
    let buffer = &state.composer.buffer;
    let (rows, (row, column)) = composer::layout(
        buffer.text(),
        buffer.caret(),
        &state.composer.elements,
        state.context(),
        area.width.into(),
    );
    if buffer.text().is_empty() {
        let forms = placeholder(state);
        let fits = |text: &&&str| wrap::width(text) <= usize::from(area.width);
        let hint = forms.iter().find(fits).unwrap_or(&forms[1]);
        let hint = wrap::truncate(hint, area.width.into());
        buf.set_string(area.x, area.y, hint, Style::new().fg(theme.faint));
    }
    let first = (row + 1).saturating_sub(area.height.into());
    for (row, y) in rows.iter().skip(first).zip(area.top()..area.bottom()) {
        let mut x = area.x;
        for piece in &row.pieces {
            let style = match piece.element {
                true => Style::new().fg(theme.chip).bg(theme.chip_background),
                false => Style::new().fg(theme.text),
            };
            let room = area.right().saturating_sub(x).into();
            x = buf.set_stringn(x, y, &piece.shown, room, style).0;
        }
    }
    popup(state, area, buf);
    focused.then(|| Position {
        x: (area.x + column as u16).min(area.right().saturating_sub(1)),
        y: area.y + (row - first) as u16,
    })
}

/// A long form and a short one.
fn placeholder(state: &State) -> [&'static str; 2] {
    match &state.activity.phase {
        Phase::Ended => [
            "no model is running; /model starts one, /save keeps what was said",
            "no model is running; /model",
        ],
        p if p.busy() => [
            "write on; it is asked after this answer",
            "asked after this answer",
        ],
        p if p.waiting() => [
            "write already; it is asked as soon as the model is ready",
            "asked when the model is ready",
        ],
        _ => [
            "ask something, paste a text, / for commands",
            "ask something, or / for commands",
        ],
    }
}

fn popup(state: &State, input: Rect, buf: &mut Buffer) {
    let lines = state.popup();
    // Choices have a place of their own, below the rule; other lines stand over the conversation.
    let conversation = state.screen.areas.conversation;
    let (room, below) = match state.refusal_choices() {
        Some(_) => (input.y.saturating_sub(conversation.bottom() + 1), 0),
        None => (input.y.saturating_sub(1), 1),
    };
    let title = state.popup_title();
    let head = u16::from(title.is_some());
    let height = (lines.len().min(POPUP) as u16 + head).min(room);
    if lines.is_empty() || height <= head {
        return;
    }
    let theme = state.theme();
    let x = input.x.saturating_sub(PROMPT);
    let most = |f: fn(&Completion) -> usize| lines.iter().map(f).max().unwrap_or(0);
    let needed = 5 + most(|l| wrap::width(&l.label)) + most(|l| wrap::width(&l.hint));
    let frame = u16::from(state.screen.areas.framed);
    let whole = buf.area.right().saturating_sub(x + frame);
    let area = Rect {
        x,
        y: input.y - below - height,
        width: match title {
            // Columns need the whole screen; other lines what they need of it.
            Some(_) => whole,
            None if below == 0 => input.width + PROMPT,
            None => whole.min((needed as u16).max(input.width + PROMPT)),
        },
        height,
    };
    Clear.render(area, buf);
    let base = Style::new().fg(theme.text).bg(theme.code_background);
    buf.set_style(area, base);
    let chosen = state.picked(lines.len());
    let all = lines.len() + state.popup_more();
    // The last row says that the list goes on, where there is room for it.
    let rows = match all > usize::from(height - head) && height > 2 + head {
        true => height - 1 - head,
        false => height - head,
    };
    let first = chosen.map_or(0, |c| (c + 1).saturating_sub(rows.into()));
    let label_width = most(|l| wrap::width(&l.label));
    // What it takes gives way to what it does, and the name to nothing; a choice is a sentence.
    let name = most(|l| l.label.find(' ').map_or(wrap::width(&l.label), |at| at + 2));
    let beside = usize::from(area.width).saturating_sub(4 + most(|l| wrap::width(&l.hint)));
    let label_width = match state.refusal_choices() {
        Some(_) => label_width.min(usize::from(area.width).saturating_sub(4)),
        None => label_width
            .min(beside.max(name))
            .min(usize::from(area.width) * 2 / 3),
    };
    let hint = usize::from(area.width).saturating_sub(label_width + 4);
    let visible = lines.iter().enumerate().skip(first);
    if let Some(title) = title {
        let indented = models::within(&title, hint);
        let at = area.x + 4 + label_width as u16;
        buf.set_string(at, area.y, indented, Style::new().fg(theme.faint));
    }
    for ((i, line), y) in visible.zip(area.top() + head..area.top() + head + rows) {
        let selected = chosen == Some(i);
        let style = match selected {
            true => Style::new()
                .bg(theme.selection)
                .add_modifier(Modifier::BOLD),
            false => Style::new(),
        };
        let row = Rect {
            y,
            height: 1,
            ..area
        };
        let label = wrap::truncate(&line.label, label_width);
        let gap = label_width - wrap::width(&label) + 2;
        let mark = if selected { "▸ " } else { "  " };
        let words = match head {
            0 => wrap::truncate(&line.hint, hint),
            _ => models::within(&line.hint, hint),
        };
        // What is chosen between is said by the label; half of a reason says nothing.
        let words = match below == 0 && words != line.hint {
            true => String::new(),
            false => words,
        };
        // Whether a model fits is seen at a glance.
        let (verdict, words) = match words.split_once(' ') {
            Some((verdict, rest)) if head > 0 => (Some(verdict), rest),
            _ => (None, &words[..]),
        };
        let mut spans = vec![
            Span::styled(mark, Style::new().fg(theme.accent)),
            Span::styled(label, Style::new().fg(theme.text)),
            Span::raw(" ".repeat(gap)),
        ];
        if let Some(verdict) = verdict {
            let colour = match verdict {
                "fits" => theme.good,
                "tight" => theme.warning,
                "no" | "cannot" => theme.bad,
                _ => theme.dim,
            };
            spans.push(Span::styled(format!("{verdict} "), Style::new().fg(colour)));
        }
        spans.push(Span::styled(words.to_owned(), Style::new().fg(theme.dim)));
        Line::from(spans).render(row, buf);
        buf.set_style(row, style);
    }
    if rows + head < height {
        let last = (first + usize::from(rows)).min(lines.len());
        let text = format!("  {}–{last} of {}", first + 1, human::thousands(all));
        let goes_on = match last < all {
            true => format!("{text} · ↓ or more letters"),
            false => text,
        };
        let text = wrap::truncate(&goes_on, area.width.into());
        buf.set_string(
            area.x,
            area.bottom() - 1,
            text,
            Style::new().fg(theme.faint),
        );
    }
}
