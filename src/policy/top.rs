//! Choosing the largest with a deterministic rule for ties.

use std::cmp::Ordering;

/// Better first: the higher score, then the lower position. NaN (a broken model can make it) ranks
/// last.
pub fn by_score(a: (f32, u32), b: (f32, u32)) -> Ordering {
    let key = |x: f32| if x.is_nan() { f32::NEG_INFINITY } else { x };
    key(b.0).total_cmp(&key(a.0)).then(a.1.cmp(&b.1))
}

/// Indices of the `k` largest, ascending; ties go to the lowest index.
pub fn top_k(scores: &[f32], k: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    if k < order.len() {
        if k > 0 {
            order.select_nth_unstable_by(k - 1, |&a, &b| {
                by_score((scores[a as usize], a), (scores[b as usize], b))
            });
        }
        order.truncate(k);
    }
    order.sort_unstable();
    order
}
