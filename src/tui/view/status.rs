//! The status line: what runs, on what, how fast; the least important goes first where it is narrow.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::engine::event::{InForce, PolicyInfo};
use crate::human;
use crate::policy::Budget;
use crate::tui::conversation::Level;
use crate::tui::state::{Coming, Phase, State};
use crate::tui::text::{safe, wrap};

/// Rank of the model's name, and the fewest cells it may be shown in.
const NAME: u8 = 4;
const SHORTEST: usize = 8;

/// A piece with its colour; larger ranks are given up first.
struct Piece {
    text: String,
    colour: Color,
    rank: u8,
}

pub(super) fn draw(state: &State, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let theme = state.theme();
    let area = mark(state, area, buf);
    let room = usize::from(area.width).saturating_sub(2);
    if let Some(toast) = &state.toast {
        let colour = match toast.level {
            Level::Info => theme.accent,
            Level::Warning => theme.warning,
            Level::Error => theme.bad,
        };
        let text = wrap::truncate(&toast.text, room);
        buf.set_string(area.x + 1, area.y, text, Style::new().fg(colour));
        return;
    }
    if let Some(c) = state.comparison.as_ref().filter(|_| state.comparing()) {
        let keys = match state.stopping() {
            true => "stopping".to_owned(),
            false => super::compare::keys(c),
        };
        let keys = wrap::truncate(&keys, room);
        buf.set_string(area.x + 1, area.y, keys, Style::new().fg(theme.accent));
        return;
    }
    if let Some(search) = &state.search {
        let found = match search.hits {
            _ if search.query.is_empty() => "Enter ↑ older · ↓ newer · Esc closes".to_owned(),
            0 => "not found".to_owned(),
            1 => "1 line".to_owned(),
            n => format!("{} lines · ↑ ↓", human::thousands(n)),
        };
        let query = safe::one_line(&search.query);
        let spans = vec![
            Span::styled("find ", Style::new().fg(theme.accent)),
            Span::styled(format!("{query}▏ "), Style::new().fg(theme.text)),
            Span::styled(found, Style::new().fg(theme.dim)),
        ];
        buf.set_line(area.x + 1, area.y, &Line::from(spans), room as u16);
        return;
    }
    if state.selected.is_some() {
        let keys = "y copy · b copy code · e edit · r ask again (what follows goes) · ↑ ↓ · Esc";
        let keys = wrap::truncate(keys, room);
        buf.set_string(area.x + 1, area.y, keys, Style::new().fg(theme.accent));
        return;
    }
    if state.editing().is_some() {
        let keys = "editing · Enter asks it anew, what is dimmed goes · Esc leaves it as it was";
        let keys = wrap::truncate(keys, room);
        buf.set_string(area.x + 1, area.y, keys, Style::new().fg(theme.accent));
        return;
    }
    let mut pieces = pieces(state);
    let width = |pieces: &[Piece]| {
        let texts: usize = pieces.iter().map(|p| wrap::width(&p.text)).sum();
        texts + 3 * pieces.len().saturating_sub(1)
    };
    while width(&pieces) > room && pieces.len() > 1 {
        let excess = width(&pieces) - room;
        if shorten(&mut pieces, excess) {
            break;
        }
        let last = pieces.iter().enumerate().max_by_key(|(_, p)| p.rank);
        let at = last.map_or(0, |(i, _)| i);
        pieces.remove(at);
    }
    let mut spans = Vec::new();
    for (i, piece) in pieces.into_iter().enumerate() {
        if i > 0 {
            spans.push(Span::styled(" · ", Style::new().fg(theme.faint)));
        }
        let text = wrap::truncate(&piece.text, room);
        spans.push(Span::styled(text, Style::new().fg(piece.colour)));
    }
    let row = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(1),
        ..area
    };
    Line::from(spans).render(row, buf);
}

/// The mark that stands until everything is saved, before whatever else the line says; returns what
/// is left of it.
fn mark(state: &State, area: Rect, buf: &mut Buffer) -> Rect {
    if state.not_saved.is_none() {
        return area;
    }
    let room = usize::from(area.width).saturating_sub(2);
    let mark = wrap::truncate("not saved", room);
    let style = Style::new().fg(state.theme().bad);
    let (end, _) = buf.set_stringn(area.x + 1, area.y, mark, room, style);
    Rect {
        x: end + 1,
        width: area.right().saturating_sub(end + 1),
        ..area
    }
}

/// A long model's name loses its end before it goes as a whole.
fn shorten(pieces: &mut [Piece], excess: usize) -> bool {
    let last = pieces.iter().map(|p| p.rank).max();
    let Some(piece) = pieces
        .iter_mut()
        .find(|p| Some(p.rank) == last && p.rank == NAME)
    else {
        return false;
    };
    let left = wrap::width(&piece.text).saturating_sub(excess);
    if left < SHORTEST {
        return false;
    }
    piece.text = wrap::truncate(&piece.text, left);
    true
}

fn pieces(state: &State) -> Vec<Piece> {
    let theme = state.theme();
    let mut out = Vec::new();
    let mut add = |text: String, colour, rank| out.push(Piece { text, colour, rank });
    match &state.activity.phase {
        Phase::Starting => add("looking for the model".into(), theme.dim, 0),
        Phase::Fetching { done, total, .. } => add(fetching(*done, *total), theme.accent, 0),
        Phase::Loading(share) => add(
            format!("loading {}", human::percent_whole(f64::from(*share))),
            theme.accent,
            0,
        ),
        Phase::Ended => add("no model is running".into(), theme.bad, 0),
        _ if state.stopping() => add("stopping".into(), theme.warning, 0),
        Phase::Comparing => add("comparing".into(), theme.accent, 2),
        Phase::Asked | Phase::Prefill { .. } => add("reading".into(), theme.accent, 2),
        Phase::Decoding { generated, .. } => {
            let tokens = human::thousands(*generated);
            add(format!("answering {tokens}"), theme.accent, 2);
        }
        Phase::Idle => {}
    }
    match state.sending.reading {
        0 => {}
        1 => add("reading a file".into(), theme.accent, 0),
        files => add(format!("reading {files} files"), theme.accent, 0),
    }
    if let Some(coming) = state.coming.as_ref().filter(|c| !c.alone) {
        add(on_its_way(coming), theme.accent, 0);
    }
    if let Some(model) = &state.dashboard.observed.model {
        add(safe::one_line(&model.name), theme.text, NAME);
        add(model.device.clone(), theme.dim, 7);
        add(policy(&state.dashboard.observed.policy), theme.dim, 3);
        let (used, all) = (
            human::short(state.activity.position),
            human::short(model.context),
        );
        let nearly = state.activity.position * 10 > model.context * 9;
        let colour = if nearly { theme.warning } else { theme.dim };
        add(format!("ctx {used}/{all}"), colour, 2);
    }
    if let Some(rate) = state.activity.speeds.prefill {
        add(format!("prefill {} tok/s", human::rate(rate)), theme.dim, 6);
    }
    if let Some(rate) = state.activity.speeds.decode {
        add(format!("{} tok/s", human::rate(rate)), theme.dim, 3);
    }
    // About one is what there is without drafts.
    let drafting = state.activity.speeds.a_step.filter(|n| *n >= 1.05);
    if let Some(tokens) = drafting {
        add(format!("{tokens:.1} tokens a step"), theme.dim, 6);
    }
    let help = if state.activity.phase.busy() {
        "Esc stops"
    } else {
        "? help"
    };
    add(help.to_owned(), theme.faint, 1);
    out
}

/// The policy with its budget: as it was stated, and what that comes to where it says something else.
fn policy(policy: &PolicyInfo) -> String {
    let (preset, budget) = (policy.preset, policy.budget);
    match policy.in_force {
        InForce::Unbounded => preset.to_string(),
        InForce::Entries(n) if budget != Budget::Tokens(n) => {
            format!("{preset} {budget} = {}", human::thousands(n))
        }
        InForce::Entries(_) | InForce::Pending => format!("{preset} {budget}"),
    }
}

/// How far a model is that is loaded beside the one that answers; while its weights are read, both
/// are in memory.
fn on_its_way(coming: &Coming) -> String {
    let name = wrap::truncate(&coming.shown(), SHORTEST * 3);
    match &coming.phase {
        Phase::Fetching { done, total, .. } => format!("{name}: {}", fetching(*done, *total)),
        Phase::Loading(share) => {
            let share = human::percent_whole(f64::from(*share));
            format!("{name}: loading {share}, both in memory")
        }
        _ => format!("{name}: looked for"),
    }
}

pub(super) fn fetching(done: u64, total: Option<u64>) -> String {
    match total.filter(|t| *t > 0) {
        Some(total) => format!(
            "fetching {} of {} · {}",
            human::bytes(done),
            human::bytes(total),
            human::percent_whole(done as f64 / total as f64)
        ),
        None => format!("fetching {}", human::bytes(done)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::state::Input;

    #[test]
    fn the_budget_is_the_one_in_force() {
        let shown = |budget: &str, in_force| {
            policy(&PolicyInfo {
                budget: budget.parse().unwrap_or_default(),
                in_force,
                ..PolicyInfo::default()
            })
        };
        assert_eq!(shown("25%", InForce::Pending), "pooled-blend 25%");
        let quarter = InForce::Entries(1860);
        assert_eq!(shown("25%", quarter), "pooled-blend 25% = 1,860");
        assert_eq!(shown("64MiB", quarter), "pooled-blend 64MiB = 1,860");
        let stated = InForce::Entries(1024);
        assert_eq!(shown("1024", stated), "pooled-blend 1024");
        assert_eq!(shown("1024", InForce::Unbounded), "pooled-blend");
    }

    #[test]
    fn what_is_not_saved_is_said_for_as_long_as_it_lasts_at_any_width() {
        let (mut state, _) = State::new(crate::tui::state::Setup::default());
        let line = |state: &State, width| {
            let area = Rect::new(0, 0, width, 1);
            let mut buf = Buffer::empty(area);
            draw(state, area, &mut buf);
            buf.content.iter().map(|c| c.symbol()).collect::<String>()
        };
        state.update(Input::NotSaved(Some("the disk is full".into())));
        state.update(Input::Said(Level::Info, "copied".into()));
        assert_eq!(line(&state, 30).trim(), "not saved  copied");
        for width in 0..60 {
            let shown = line(&state, width);
            assert!(width < 11 || shown.starts_with(" not saved "), "{shown}");
        }
        state.update(Input::NotSaved(None));
        assert!(!line(&state, 60).contains("not saved"));
    }
}
