//! DefensiveKV (arXiv 2510.13334): what an entry was worth at worst, not on average, since importance does
//! not stay what it was; with a prior for what the window happened not to look at.

use super::window::max_pool;
use super::{Needs, Observed, Params, Score};

/// `max(max over the window, the head's mean of that)`, max-pooled as SnapKV's: the worst case, with the head's
/// mean as floor, so that a head whose window looked at little still has entries to lose.
#[derive(Debug)]
pub struct Defensive;

impl Score for Defensive {
    fn needs(&self) -> Needs {
        Needs {
            peak: true,
            ..Needs::NONE
        }
    }

    fn of(&self, head: &Observed, evictable: usize, params: &Params) -> Vec<f32> {
        let mut worth = head.peak(evictable);
        let sum: f64 = worth.iter().map(|&x| f64::from(x)).sum();
        let mean = (sum / worth.len().max(1) as f64) as f32;
        worth.iter_mut().for_each(|x| *x = x.max(mean));
        max_pool(&worth, params.kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::HeadScores;

    #[test]
    fn nothing_is_worth_less_than_the_heads_mean() {
        let peak = vec![0.8, 0.0, 0.1, 0.1, 9.0];
        let head = Observed {
            positions: (0..5).collect(),
            scores: HeadScores {
                peak,
                mean: Vec::new(),
            },
            ..Observed::default()
        };
        // The window's own entry is not judged.
        let unpooled = Params {
            kernel: 1,
            ..Params::default()
        };
        let worth = Defensive.of(&head, 4, &unpooled);
        assert_eq!(worth, [0.8, 0.25, 0.25, 0.25]);
    }
}
