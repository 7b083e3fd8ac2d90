//! How much of a token is left: by how many heads it is held, and how that looks.

use ratatui::style::{Modifier, Style};

use crate::tui::observed::Observed;
use crate::tui::theme::Theme;

/// How many of all heads hold a token, 0–1; `None` where nobody has told yet.
pub fn share(o: &Observed, token: usize) -> Option<f64> {
    let holders = &o.picture.holders;
    let all = match o.all_heads() {
        0 => holders.iter().copied().max().map_or(0, usize::from),
        all => all,
    };
    if holders.is_empty() || all == 0 {
        return None;
    }
    // A token newer than the count is still everywhere.
    let held = holders.get(token).map_or(all, |&n| usize::from(n));
    Some((held as f64 / all as f64).min(1.0))
}

/// Where a share stands on the heat scale: one head is told from none.
pub fn held_ratio(share: f64) -> f32 {
    (0.3 + 1.7 * share) as f32
}

/// The style of a token with that share.
pub fn style(share: Option<f64>, t: &Theme) -> Style {
    let Some(share) = share else {
        return Style::new().fg(t.text);
    };
    let gone = Style::new().fg(t.faint);
    if t.colours_heat() {
        return match share {
            0.0 => gone,
            share => {
                let ratio = held_ratio(share);
                Style::new().fg(t.text).bg(t.tint(ratio))
            }
        };
    }
    match share {
        0.0 => gone.add_modifier(Modifier::DIM),
        s if s < 0.5 => Style::new().fg(t.text),
        _ => Style::new().fg(t.text).add_modifier(Modifier::BOLD),
    }
}
