//! Where a token is, and how that looks: in the cache, by how many heads hold it; in the archive
//! only; nowhere.

use ratatui::style::{Modifier, Style};

use crate::tui::observed::Observed;
use crate::tui::theme::Theme;

/// Where a token is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// Nobody has told yet.
    Unknown,
    /// In the cache, held by this share of all heads.
    Cache(f64),
    /// No head holds it; the next question reads it all the same.
    Archive,
    Gone,
}

/// Heads that could hold a token; 0 where nobody has told.
fn heads(o: &Observed) -> usize {
    match o.all_heads() {
        0 => o.picture.holders.iter().copied().max().unwrap_or(0).into(),
        all => all,
    }
}

pub fn place(o: &Observed, token: usize) -> Place {
    let (holders, all) = (&o.picture.holders, heads(o));
    if holders.is_empty() || all == 0 {
        return Place::Unknown;
    }
    // A token newer than the count is still everywhere.
    match holders.get(token).map_or(all, |&n| usize::from(n)) {
        0 if token < o.archived() => Place::Archive,
        0 => Place::Gone,
        held => Place::Cache((held as f64 / all as f64).min(1.0)),
    }
}

/// Of what all heads could hold, whole per cents that add up to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    pub cache: u32,
    /// Not in the cache, but in the archive.
    pub archived: u32,
    pub gone: u32,
}

/// `None` where nobody has told yet.
pub fn shares(o: &Observed) -> Option<Shares> {
    let (holders, all) = (&o.picture.holders, heads(o));
    if holders.is_empty() || all == 0 {
        return None;
    }
    let missing = |part: &[u16]| -> usize {
        let of = |&n: &u16| all.saturating_sub(n.into());
        part.iter().map(of).sum()
    };
    let (archived, gone) = holders.split_at(o.archived().min(holders.len()));
    let (archived, gone) = (missing(archived), missing(gone));
    let whole = holders.len() * all;
    // Something is not nothing, and not everything.
    let percent = |n: usize| match n {
        0 => 0,
        n if n == whole => 100,
        n => ((n as f64 / whole as f64 * 100.0).round() as u32).clamp(1, 99),
    };
    let cache = percent(whole - archived - gone);
    let gone = match archived {
        0 => 100 - cache,
        _ => percent(gone).min(99_u32.saturating_sub(cache)),
    };
    let archived = 100 - cache - gone;
    Some(Shares {
        cache,
        archived,
        gone,
    })
}

/// Where a share stands on the heat scale: one head is told from none.
pub fn held_ratio(share: f64) -> f32 {
    (0.3 + 1.7 * share) as f32
}

/// How a token looks there.
pub fn style(place: Place, t: &Theme) -> Style {
    let share = match place {
        Place::Unknown => return Style::new().fg(t.text),
        Place::Cache(share) => share,
        Place::Archive if t.colours_heat() => return Style::new().fg(t.dim),
        // Not every terminal shows faint text as such.
        Place::Archive => return Style::new().fg(t.dim).add_modifier(Modifier::UNDERLINED),
        Place::Gone => {
            let gone = Style::new().fg(t.faint);
            return gone.add_modifier(Modifier::DIM | Modifier::CROSSED_OUT);
        }
    };
    let style = Style::new().fg(t.text);
    match share {
        share if t.colours_heat() => style.bg(t.tint(held_ratio(share))),
        share if share < 0.5 => style,
        _ => style.add_modifier(Modifier::BOLD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::event::{Archived, Event, Mode};

    fn observed(mode: Mode, tokens: usize, holders: &[u16]) -> Observed {
        let mut o = Observed::default();
        let archive = Archived {
            mode,
            tokens,
            ..Archived::default()
        };
        o.event(&Event::Archive(Box::new(archive)), 0.0, "");
        o.picture.lens = vec![vec![1; 2]; 2];
        o.picture.holders = holders.to_vec();
        o
    }

    #[test]
    fn what_no_head_holds_is_archived_or_gone() {
        let o = observed(Mode::Disk, 3, &[4, 0, 1, 0]);
        let places: Vec<Place> = (0..5).map(|token| place(&o, token)).collect();
        let cache = Place::Cache;
        let expected = [
            cache(1.0),
            Place::Archive,
            cache(0.25),
            Place::Gone,
            cache(1.0),
        ];
        assert_eq!(places, expected);
        let off = observed(Mode::Off, 3, &[4, 0]);
        assert_eq!(place(&off, 1), Place::Gone);
        assert_eq!(place(&observed(Mode::Disk, 3, &[]), 1), Place::Unknown);
    }

    #[test]
    fn shares_count_heads_and_add_up() {
        let told = |mode, tokens, holders: &[u16]| {
            let shares = shares(&observed(mode, tokens, holders)).unwrap();
            assert_eq!(shares.cache + shares.archived + shares.gone, 100);
            (shares.cache, shares.archived, shares.gone)
        };
        // Every token is held somewhere, and yet most of what heads could hold is not.
        assert_eq!(told(Mode::Disk, 4, &[1, 1, 1, 1]), (25, 75, 0));
        assert_eq!(told(Mode::Disk, 2, &[1, 1, 1, 1]), (25, 37, 38));
        assert_eq!(told(Mode::Off, 4, &[4, 4, 0, 0]), (50, 0, 50));
        assert_eq!(told(Mode::Disk, 4, &[4, 4]), (100, 0, 0));
        let mut many = vec![4; 1000];
        many[7] = 3;
        assert_eq!(told(Mode::Disk, 1000, &many), (99, 1, 0));
    }
}
