//! This project's own score: attention points at the token before what it wants, so that the
//! entries just behind a peak must survive.

use super::{Needs, Observed, Params, Score};

/// The window's strongest attention; an entry inherits a tenth of the strongest of the six
/// before it.
#[derive(Debug)]
pub struct Reach;

/// Entries after a peak that inherit from it, and the share they inherit (`λ`).
const REACH: usize = 6;
const REACH_SHARE: f32 = 0.1;

impl Score for Reach {
    fn needs(&self) -> Needs {
        Needs {
            peak: true,
            ..Needs::NONE
        }
    }

    fn of(&self, head: &Observed, evictable: usize, _: &Params) -> Vec<f32> {
        reach(&head.peak(evictable))
    }
}

/// `s'[p] = max(s[p], λ · max(s[p−6 .. p−1]))`.
fn reach(x: &[f32]) -> Vec<f32> {
    (0..x.len())
        .map(|i| {
            let before = &x[i.saturating_sub(REACH)..i];
            before
                .iter()
                .fold(x[i], |best, &b| best.max(REACH_SHARE * b))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reach_looks_only_forward_and_never_lowers() {
        let mut x = vec![0.01; 12];
        x[2] = 1.0;
        let s = reach(&x);
        assert_eq!(s[..3], [0.01, 0.01, 1.0]);
        assert_eq!(s[3..9], [0.1; 6]);
        assert_eq!(s[9..], [0.01; 3]);
    }
}
