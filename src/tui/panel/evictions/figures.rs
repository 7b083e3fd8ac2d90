//! Figures of a round, as they are written in its lines.

use ratatui::style::Color;

use crate::engine::event::{EvictionRound, Trigger};
use crate::human;
use crate::tui::theme::Theme;

/// What made the round.
pub fn trigger(round: &EvictionRound) -> &'static str {
    match round.trigger {
        Trigger::Prefill => "prefill",
        Trigger::Recall => "recall",
        Trigger::Decode => "decode",
    }
}

/// `7,440 → 1,024/head`, the mean over the heads that were evicted.
pub fn entries(round: &EvictionRound) -> (String, String, &'static str) {
    let heads: usize = round.layers.iter().map(|l| l.budgets.len()).sum();
    let (before, after) = (round.before_entries, round.after_entries);
    if heads == 0 {
        return (human::thousands(before), human::thousands(after), " in all");
    }
    let each = |n: usize| human::thousands((n + heads / 2) / heads);
    (each(before), each(after), "/head")
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
