//! Ada-KV (arXiv 2407.11550, Algorithm 1): the layer's best entries, whichever head they sit in,
//! count for their head, with a floor for every head (the safeguard).

use super::Allocator;
use crate::policy::top::best;

/// By a top-k over the layer's heads, with the safeguard.
#[derive(Debug)]
pub struct Adaptive;

impl Allocator for Adaptive {
    fn shares(&self, worth: &[Vec<f32>], base: usize, alpha: f64) -> Vec<usize> {
        let mut counts = vec![0usize; worth.len()];
        for head in best(worth, |_| 0, worth.len() * base) {
            counts[head] += 1;
        }
        let floor = (alpha * base as f64).floor() as f32;
        let share = (1.0 - alpha) as f32;
        // f32 and half-to-even, as the authors' code: the sum may be a few off `heads × base`.
        counts
            .iter()
            .map(|&c| (share * c as f32 + floor).round_ties_even() as usize)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::within;
    use super::*;

    fn allocate(worth: &[Vec<f32>], base: usize, alpha: f64) -> Vec<usize> {
        within(Adaptive.shares(worth, base, alpha), worth)
    }

    /// The paper's figure 2: a sparse head needs few entries, a dispersed one many.
    #[test]
    fn a_dispersed_head_is_given_more_than_a_sparse_one() {
        let sparse = vec![0.9, 0.05, 0.01, 0.01, 0.01, 0.01, 0.005, 0.005];
        let dispersed = vec![0.13, 0.13, 0.13, 0.13, 0.12, 0.12, 0.12, 0.12];
        assert_eq!(allocate(&[sparse, dispersed], 4, 0.0), [1, 7]);
    }

    #[test]
    fn the_safeguard_is_a_floor_for_every_head() {
        let nothing = vec![0.0; 100];
        let all = vec![0.5; 100];
        assert_eq!(allocate(&[nothing, all], 50, 0.2), [10, 90]);
    }

    #[test]
    fn rounding_is_half_to_even() {
        // 0.5 × 1 + ⌊0.5 × 3⌋ = 1.5 → 2 and 0.5 × 5 + 1 = 3.5 → 4: one more than 2 × 3 less 1.
        let shares = Adaptive.shares(&[vec![9.0], vec![8.0; 5]], 3, 0.5);
        assert_eq!(shares, [2, 4]);
    }
}
