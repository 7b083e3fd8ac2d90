//! How a total is given to the heads: one file each.

pub mod adaptive;
pub mod pooled;
#[cfg(test)]
mod restated;
pub mod uniform;

pub use adaptive::Adaptive;
pub use pooled::Pooled;
pub use uniform::Uniform;

use super::round::{Round, Terms};
use super::top::best;

/// An allocator of a total over KV heads.
pub trait Allocator: std::fmt::Debug + Send + Sync {
    /// Entries that each head of one layer is meant to keep besides the window, `cap_h` of steps
    /// 6–7. `worth` are the heads' evictable entries (lengths may differ), `base` the mean per
    /// head, `alpha` the safeguard. May name more than a head has: see [`within`].
    fn shares(&self, worth: &[Vec<f32>], base: usize, alpha: f64) -> Vec<usize>;

    /// A round of its own, for an allocator over all layers (with [`Allocator::pools`]); without
    /// one, each layer is decided by itself as soon as it is observed.
    fn round(&self, _: Terms) -> Option<Box<dyn Round>> {
        None
    }

    /// Whether the heads of all layers share one total, so that no layer has a bound of its own.
    fn pools(&self) -> bool {
        false
    }
}

/// No head is given more than it has; what it cannot use goes to the others in score order.
pub fn within(mut shares: Vec<usize>, worth: &[Vec<f32>]) -> Vec<usize> {
    let mut left = 0;
    for (share, head) in shares.iter_mut().zip(worth) {
        left += share.saturating_sub(head.len());
        *share = (*share).min(head.len());
    }
    if left > 0 {
        let taken = shares.clone();
        for head in best(worth, |h| taken[h], left) {
            shares[head] += 1;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_short_head_cannot_use_goes_to_the_others_in_score_order() {
        let short = vec![0.9, 0.9];
        let a = vec![0.5, 0.4, 0.3, 0.2, 0.1, 0.0];
        let b = vec![0.45, 0.44, 0.43, 0.42, 0.01, 0.0];
        let worth = [short, a, b];
        let caps = within(Uniform.shares(&worth, 3, 0.0), &worth);
        assert_eq!(caps, [2, 3, 4], "b's fourth (0.42) beats a's fourth (0.2)");
    }
}
