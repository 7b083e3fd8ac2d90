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

/// Indices of the `k` entries that a head keeps, ascending: the best by `worth`, or where there is a `second`
/// measure, `firsts` of them by `worth` and then the best by that of all others.
pub fn choose(worth: &[f32], second: &[f32], firsts: usize, k: usize) -> Vec<u32> {
    if second.is_empty() {
        return top_k(worth, k);
    }
    let mut rest = second.to_vec();
    for i in top_k(worth, firsts.min(k)) {
        rest[i as usize] = f32::INFINITY;
    }
    top_k(&rest, k)
}

/// The heads of the `k` best entries over all heads, each head's `skip(h)` best left out.
pub fn best(
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
