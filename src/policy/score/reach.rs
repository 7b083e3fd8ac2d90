//! This project's own score: attention points at the token before what it wants, so that the
//! entries just behind a peak must survive.

use super::{Needs, Observed, Params, Score, around::most_around};

/// The window's strongest attention; what stands around it inherits a share, less of it further behind:
/// `s'[p] = max(s[p], λ · max(s[p−after .. p+before]), λ/2 · max(s[p−far .. p]))`, `λ = 0.1`.
#[derive(Debug)]
pub struct Reach {
    /// Entries before a peak that inherit from it.
    before: usize,
    /// Entries after it that do.
    after: usize,
    /// Entries after it that inherit half as much.
    far: usize,
}

impl Reach {
    /// Six entries after a peak.
    pub const NARROW: Reach = Reach {
        before: 0,
        after: 6,
        far: 0,
    };
    /// Two before and twenty after it: what is looked for may be longer, and begin earlier.
    pub const WIDE: Reach = Reach {
        before: 2,
        after: 20,
        far: 0,
    };
    /// The same, and half as much up to 44 behind: a UUID is some thirty tokens, and worth nothing
    /// without the last of them.
    pub const LONG: Reach = Reach {
        far: 44,
        ..Reach::WIDE
    };
}

/// The share that is inherited (`λ`).
const SHARE: f32 = 0.1;
/// The share of those further behind.
const FAR_SHARE: f32 = SHARE / 2.0;

impl Score for Reach {
    fn needs(&self) -> Needs {
        Needs {
            peak: true,
            ..Needs::NONE
        }
    }

    fn of(&self, head: &Observed, evictable: usize, _: &Params) -> Vec<f32> {
        let mut x = head.peak(evictable);
        let near = most_around(&x, self.before, self.after);
        let far = most_around(&x, 0, self.far);
        for (x, (near, far)) in x.iter_mut().zip(near.into_iter().zip(far)) {
            *x = x.max(SHARE * near).max(FAR_SHARE * far);
        }
        x
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

    #[test]
    fn the_long_reach_goes_on_with_half_the_share() {
        let mut x = vec![0.01; 60];
        x[5] = 1.0;
        let s = of(&Reach::LONG, x);
        assert_eq!(s[6..26], [0.1; 20]);
        assert_eq!(s[26..50], [0.05; 24]);
        assert_eq!(s[50..], [0.01; 10]);
    }
}
