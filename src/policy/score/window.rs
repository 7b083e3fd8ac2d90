//! SnapKV (arXiv 2404.14469): the window's mean attention, max-pooled along the sequence (step 4).

use super::{Observed, Params, Score, around::most_around};

/// The window's mean attention, max-pooled.
#[derive(Debug)]
pub struct Window;

impl Score for Window {
    fn of(&self, head: &Observed, evictable: usize, params: &Params) -> Vec<f32> {
        max_pool(&head.mean(evictable), params.kernel)
    }
}

/// Max-pooling, stride 1, same length.
pub(super) fn max_pool(x: &[f32], kernel: usize) -> Vec<f32> {
    most_around(x, kernel / 2, kernel / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_widens_a_peak_both_ways_and_the_edges_see_less() {
        let mut x = vec![0.0; 12];
        x[5] = 1.0;
        x[0] = 0.5;
        let pooled = max_pool(&x, 7);
        assert_eq!(pooled[..9], [0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(pooled[9..], [0.0, 0.0, 0.0]);
    }
}
