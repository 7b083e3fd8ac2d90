//! This project's own score: attention points at the token before what it wants, so that the
//! entries just behind a peak must survive.

use super::{Needs, Observed, Params, Score};

/// The window's strongest attention; an entry inherits a tenth of the strongest of those `before` and
/// `after` which it stands: `s'[p] = max(s[p], λ · max(s[p−after .. p+before]))`.
#[derive(Debug)]
pub struct Reach {
    /// Entries before a peak that inherit from it.
    before: usize,
    /// Entries after it that do.
    after: usize,
}

impl Reach {
    /// Six entries after a peak.
    pub const NARROW: Reach = Reach {
        before: 0,
        after: 6,
    };
    /// Two before and twenty after it: what is looked for may be longer, and begin earlier.
    pub const WIDE: Reach = Reach {
        before: 2,
        after: 20,
    };
}

/// The share that is inherited (`λ`).
const SHARE: f32 = 0.1;

impl Score for Reach {
    fn needs(&self) -> Needs {
        Needs {
            peak: true,
            ..Needs::NONE
        }
    }

    fn of(&self, head: &Observed, evictable: usize, _: &Params) -> Vec<f32> {
        let x = head.peak(evictable);
        (0..x.len())
            .map(|i| {
                let around = i.saturating_sub(self.after)..(i + self.before + 1).min(x.len());
                let inherited = x[around].iter().fold(0.0, |best: f32, &b| best.max(b));
                x[i].max(SHARE * inherited)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::HeadScores;

    fn of(reach: &Reach, peak: Vec<f32>) -> Vec<f32> {
        let head = Observed {
            positions: (0..peak.len() as u32).collect(),
            scores: HeadScores {
                mean: Vec::new(),
                peak,
            },
            ..Observed::default()
        };
        reach.of(&head, head.len(), &Params::default())
    }

    #[test]
    fn reach_looks_only_forward_and_never_lowers() {
        let mut x = vec![0.01; 12];
        x[2] = 1.0;
        let s = of(&Reach::NARROW, x);
        assert_eq!(s[..3], [0.01, 0.01, 1.0]);
        assert_eq!(s[3..9], [0.1; 6]);
        assert_eq!(s[9..], [0.01; 3]);
    }

    #[test]
    fn the_wide_reach_looks_both_ways() {
        let mut x = vec![0.01; 40];
        x[5] = 1.0;
        let s = of(&Reach::WIDE, x);
        assert_eq!(s[..3], [0.01; 3]);
        assert_eq!(s[3..5], [0.1; 2]);
        assert_eq!(s[5], 1.0);
        assert_eq!(s[6..26], [0.1; 20]);
        assert_eq!(s[26..], [0.01; 14]);
    }
}
