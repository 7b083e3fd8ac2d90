//! Figures of a round, as they are written in its lines.

use ratatui::style::{Color, Modifier};
use ratatui::text::Span;

use crate::engine::event::{EvictionRound, Trigger};
use crate::human;
use crate::tui::panel::pen::span;
use crate::tui::theme::Theme;

/// What made the round: what only drops entries, and what brings some back.
pub fn trigger(round: &EvictionRound, t: &Theme) -> Span<'static> {
    match round.trigger {
        Trigger::Prefill => span("prefill", t.accent),
        Trigger::Recall => {
            let span = span("↺ recall", t.user);
            span.patch_style(Modifier::BOLD)
        }
        Trigger::Decode => span("decode", t.dim),
    }
}

/// What came back from the archive.
pub struct Back {
    /// `412`, of `1,024`, and what both are counted by: a head, or all.
    pub entries: String,
    pub of: String,
    pub each: &'static str,
    /// Share of the selection, 0–1.
    pub share: f64,
}

/// For rounds that select anew.
pub fn back(round: &EvictionRound) -> Option<Back> {
    let (_, of, each) = entries(round);
    let (back, after) = (round.recalled_entries, round.after_entries);
    (round.trigger == Trigger::Recall).then(|| Back {
        entries: per_head(round, back),
        of,
        each,
        share: (back as f64 / after.max(1) as f64).min(1.0),
    })
}

/// The mean over the heads that were evicted; all of them where the layers are not known.
fn per_head(round: &EvictionRound, entries: usize) -> String {
    let heads: usize = round.layers.iter().map(|l| l.budgets.len()).sum();
    human::thousands(entries.saturating_add(heads / 2) / heads.max(1))
}

/// `7,440 → 1,024/head`.
pub fn entries(round: &EvictionRound) -> (String, String, &'static str) {
    let each = |n: usize| per_head(round, n);
    let known = round.layers.iter().any(|l| !l.budgets.is_empty());
    let of = if known { "/head" } else { " in all" };
    (each(round.before_entries), each(round.after_entries), of)
}

/// What uneven budgets retain more than even ones, between the figures as they are shown.
pub fn gain(round: &EvictionRound) -> f64 {
    let shown = |share: f64| (share * 1000.0).round() / 1000.0;
    shown(round.retained_mass) - shown(round.uniform_retained_mass)
}

/// How long it took.
pub fn time(round: &EvictionRound) -> String {
    match round.milliseconds {
        ms if ms < 0.5 => "<1 ms".into(),
        ms => human::duration(ms / 1000.0),
    }
}

/// `+1.3 %`
pub fn signed(gain: f64) -> String {
    let sign = if gain < -0.0005 { "−" } else { "+" };
    format!("{sign}{:.1} %", gain.abs() * 100.0)
}

/// Good, bad, or too little to tell.
pub fn gain_colour(gain: f64, t: &Theme) -> Color {
    match gain {
        g if g >= 0.0005 => t.good,
        g if g <= -0.0005 => t.bad,
        _ => t.dim,
    }
}

/// ` L11` or ` 3 layers` where not all `layers` were evicted.
pub fn which(round: &EvictionRound, layers: usize) -> String {
    match &round.layers[..] {
        [] => String::new(),
        some if some.len() >= layers => String::new(),
        [one] => format!(" L{}", one.layer),
        some => format!(" {} layers", some.len()),
    }
}
