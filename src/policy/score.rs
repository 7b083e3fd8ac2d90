//! What an entry is worth.

/// What the observation window thinks of one KV head's entries (steps 1–3 of Ada-SnapKV): softmax
/// weights over the head's entries in position order, the window's own included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeadScores {
    /// Mean over the window's rows, then over the group's query heads.
    pub mean: Vec<f32>,
    /// Maximum over the window's rows and the group's query heads.
    pub peak: Vec<f32>,
}

/// A score per entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// The newer the better, after the sinks (StreamingLLM).
    Recency,
    /// SnapKV: the window's mean attention, max-pooled along the sequence.
    Window,
    /// The window's strongest attention; an entry inherits a tenth of the strongest of the six
    /// before it, since attention points at the token before what it wants.
    Reach,
}

/// Entries after a peak that inherit from it, and the share they inherit (`λ`).
const REACH: usize = 6;
const REACH_SHARE: f32 = 0.1;

impl Score {
    /// Scores of the head's first `evictable` entries (all but the window). Entries that the
    /// window did not score count as worthless.
    pub fn of(self, head: &HeadScores, evictable: usize, kernel: usize) -> Vec<f32> {
        match self {
            Score::Recency => (0..evictable)
                .map(|i| match i {
                    0..super::SINKS => f32::INFINITY,
                    _ => i as f32,
                })
                .collect(),
            Score::Window => max_pool(&resized(&head.mean, evictable), kernel),
            Score::Reach => reach(&resized(&head.peak, evictable)),
        }
    }
}

fn resized(scores: &[f32], len: usize) -> Vec<f32> {
    let mut scores = scores[..len.min(scores.len())].to_vec();
    scores.resize(len, 0.0);
    scores
}

/// Max-pooling, stride 1, same length; the edges see fewer entries, nothing is padded in (step 4).
fn max_pool(x: &[f32], kernel: usize) -> Vec<f32> {
    let half = kernel / 2;
    (0..x.len())
        .map(|i| {
            let window = &x[i.saturating_sub(half)..(i + half + 1).min(x.len())];
            window.iter().copied().fold(f32::NEG_INFINITY, f32::max)
        })
        .collect()
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
    fn pooling_widens_a_peak_both_ways_and_the_edges_see_less() {
        let mut x = vec![0.0; 12];
        x[5] = 1.0;
        x[0] = 0.5;
        let pooled = max_pool(&x, 7);
        assert_eq!(pooled[..9], [0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(pooled[9..], [0.0, 0.0, 0.0]);
    }

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
