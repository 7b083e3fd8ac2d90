//! SnapKV (arXiv 2404.14469): the window's mean attention, max-pooled along the sequence (step 4).

use super::{Observed, Params, Score};

/// The window's mean attention, max-pooled.
#[derive(Debug)]
pub struct Window;

impl Score for Window {
    fn of(&self, head: &Observed, evictable: usize, params: &Params) -> Vec<f32> {
        max_pool(&head.mean(evictable), params.kernel)
    }
}

/// Max-pooling, stride 1, same length; the edges see fewer entries, nothing is padded in.
pub(super) fn max_pool(x: &[f32], kernel: usize) -> Vec<f32> {
    let half = kernel / 2;
    (0..x.len())
        .map(|i| {
            let window = &x[i.saturating_sub(half)..(i + half + 1).min(x.len())];
            window.iter().copied().fold(f32::NEG_INFINITY, f32::max)
        })
        .collect()
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
