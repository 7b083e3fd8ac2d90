//! How a layer's total is given to its heads.

use super::top::by_score;

/// An allocator of the layer's total over its KV heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocator {
    /// The same for every head.
    Uniform,
    /// Ada-KV: the layer's best entries, whichever head they sit in, count for their head
    /// (Algorithm 1), with a floor for every head (the safeguard).
    Adaptive,
}

impl Allocator {
    /// Entries each head keeps besides the window, `cap_h` of steps 6–7. `scores` are the heads'
    /// evictable entries (lengths may differ), `base` the mean per head.
    ///
    /// No head is given more than it has; what it cannot use goes to the others in score order.
    pub fn allocate(self, scores: &[Vec<f32>], base: usize, alpha: f64) -> Vec<usize> {
        let mut caps = match self {
            Allocator::Uniform => vec![base; scores.len()],
            Allocator::Adaptive => adaptive(scores, base, alpha),
        };
        let mut left = 0;
        for (cap, head) in caps.iter_mut().zip(scores) {
            left += cap.saturating_sub(head.len());
            *cap = (*cap).min(head.len());
        }
        if left > 0 {
            let taken = caps.clone();
            for head in best(scores, |h| taken[h], left) {
                caps[head] += 1;
            }
        }
        caps
    }
}

fn adaptive(scores: &[Vec<f32>], base: usize, alpha: f64) -> Vec<usize> {
    let mut counts = vec![0usize; scores.len()];
    for head in best(scores, |_| 0, scores.len() * base) {
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

/// The heads of the `k` best entries over all heads, each head's `skip(h)` best left out.
fn best(
    scores: &[Vec<f32>],
    skip: impl Fn(usize) -> usize,
    k: usize,
) -> impl Iterator<Item = usize> {
    let order = |a: &(f32, u32, usize), b: &(f32, u32, usize)| {
        by_score((a.0, a.1), (b.0, b.1)).then(a.2.cmp(&b.2))
    };
    let mut all: Vec<(f32, u32, usize)> = Vec::new();
    for (h, head) in scores.iter().enumerate() {
        let mut entries: Vec<_> = head
            .iter()
            .enumerate()
            .map(|(i, &s)| (s, i as u32, h))
            .collect();
        let skip = skip(h).min(entries.len());
        if skip > 0 && skip < entries.len() {
            entries.select_nth_unstable_by(skip - 1, order);
        }
        all.extend_from_slice(&entries[skip..]);
    }
    if k > 0 && k < all.len() {
        all.select_nth_unstable_by(k - 1, order);
    }
    all.truncate(k);
    all.into_iter().map(|(_, _, h)| h)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paper's figure 2: a sparse head needs few entries, a dispersed one many.
    #[test]
    fn a_dispersed_head_is_given_more_than_a_sparse_one() {
        let sparse = vec![0.9, 0.05, 0.01, 0.01, 0.01, 0.01, 0.005, 0.005];
        let dispersed = vec![0.13, 0.13, 0.13, 0.13, 0.12, 0.12, 0.12, 0.12];
        let caps = Allocator::Adaptive.allocate(&[sparse, dispersed], 4, 0.0);
        assert_eq!(caps, [1, 7]);
    }

    #[test]
    fn the_safeguard_is_a_floor_for_every_head() {
        let nothing = vec![0.0; 100];
        let all = vec![0.5; 100];
        let caps = Allocator::Adaptive.allocate(&[nothing, all], 50, 0.2);
        assert_eq!(caps, [10, 90]);
    }

    #[test]
    fn rounding_is_half_to_even() {
        // 0.5 × 1 + ⌊0.5 × 3⌋ = 1.5 → 2 and 0.5 × 5 + 1 = 3.5 → 4: one more than 2 × 3 less 1.
        let caps = adaptive(&[vec![9.0], vec![8.0; 5]], 3, 0.5);
        assert_eq!(caps, [2, 4]);
    }

    #[test]
    fn what_a_short_head_cannot_use_goes_to_the_others_in_score_order() {
        let short = vec![0.9, 0.9];
        let a = vec![0.5, 0.4, 0.3, 0.2, 0.1, 0.0];
        let b = vec![0.45, 0.44, 0.43, 0.42, 0.01, 0.0];
        let caps = Allocator::Uniform.allocate(&[short, a, b], 3, 0.0);
        assert_eq!(caps, [2, 3, 4], "b's fourth (0.42) beats a's fourth (0.2)");
    }
}
