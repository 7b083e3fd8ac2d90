//! Choosing the largest with a deterministic rule for ties.

/// An entry's place in the order of a head: lower is better. Its score in the upper half, the higher the better,
/// then its index. NaN (a broken model can make it) ranks as −∞.
fn place(score: f32, index: u32) -> u64 {
    let score = if score.is_nan() {
        f32::NEG_INFINITY
    } else {
        score
    };
    // The bits of a float in the order of `total_cmp`, as a whole number; turned round, since the highest is best.
    let bits = score.to_bits();
    let ascending = if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    };
    u64::from(!ascending) << 32 | u64::from(index)
}

fn places(scores: &[f32]) -> impl Iterator<Item = u64> {
    (0..).zip(scores).map(|(i, &score)| place(score, i))
}

/// Indices of the `k` largest, ascending; ties go to the lowest index.
pub fn top_k(scores: &[f32], k: usize) -> Vec<u32> {
    let all = 0..scores.len() as u32;
    if k >= scores.len() {
        return all.collect();
    }
    if k == 0 {
        return Vec::new();
    }
    let mut order: Vec<u64> = places(scores).collect();
    let last = *order.select_nth_unstable(k - 1).1;
    // No two places are the same.
    let places = places(scores).zip(all);
    places
        .filter(|(at, _)| *at <= last)
        .map(|(_, i)| i)
        .collect()
}

/// Indices of the `k` entries that a head keeps, ascending: the best by `worth`, or where there is a `second`
/// measure, `firsts` of them by `worth` and then the best by that of all others.
pub fn choose(worth: &[f32], second: &[f32], firsts: usize, k: usize) -> Vec<u32> {
    if second.is_empty() || k >= worth.len() {
        return top_k(worth, k);
    }
    let mut rest = second.to_vec();
    for i in top_k(worth, firsts.min(k)) {
        rest[i as usize] = f32::INFINITY;
    }
    top_k(&rest, k)
}

/// The heads of the `k` best entries over all heads, each head's `skip(h)` best left out; of equal ones the
/// lowest index of the lowest head.
pub fn best(
    scores: &[Vec<f32>],
    skip: impl Fn(usize) -> usize,
    k: usize,
) -> impl Iterator<Item = usize> {
    let mut all: Vec<(u64, usize)> = Vec::new();
    for (h, head) in scores.iter().enumerate() {
        let mut entries: Vec<_> = places(head).collect();
        let skip = skip(h).min(entries.len());
        if skip > 0 && skip < entries.len() {
            entries.select_nth_unstable(skip - 1);
        }
        all.extend(entries[skip..].iter().map(|&at| (at, h)));
    }
    if k > 0 && k < all.len() {
        all.select_nth_unstable(k - 1);
    }
    all.truncate(k);
    all.into_iter().map(|(_, h)| h)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_come_first_ties_by_index_and_what_is_no_number_last() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let ordered = [inf, 3.5, 1e-40, 0.0, -0.0, -1e-40, -2.0, -inf];
        assert!(ordered.is_sorted_by_key(|&score| place(score, 7)));
        assert!(place(1.0, 3) < place(1.0, 4) && place(1.0, u32::MAX) < place(0.999, 0));
        assert_eq!(place(nan, 5), place(-inf, 5));
        let scores = [1.0, nan, 2.0, 2.0, -inf, 2.0];
        let expected = [
            &[][..],
            &[2],
            &[2, 3],
            &[2, 3, 5],
            &[0, 2, 3, 5],
            &[0, 1, 2, 3, 5],
        ];
        for (k, expected) in expected.into_iter().enumerate() {
            assert_eq!(top_k(&scores, k), expected);
        }
        assert_eq!(top_k(&scores, 9), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn two_measures_have_a_part_each() {
        let (worth, second) = ([9.0, 1.0, 8.0, 0.0, 0.0], [0.0, 5.0, 0.0, 7.0, 6.0]);
        assert_eq!(choose(&worth, &second, 2, 4), [0, 2, 3, 4]);
        assert_eq!(choose(&worth, &second, 1, 3), [0, 3, 4]);
        assert_eq!(choose(&worth, &[], 9, 2), [0, 2]);
    }

    #[test]
    fn the_best_of_all_heads_are_counted_behind_what_each_has_already() {
        let scores = [vec![5.0, 4.0, 1.0], vec![4.0, 3.0]];
        let heads = |skip: usize, k| {
            let mut heads: Vec<_> = best(&scores, |_| skip, k).collect();
            heads.sort();
            heads
        };
        assert_eq!(heads(0, 2), [0, 1]);
        assert_eq!(heads(0, 3), [0, 0, 1]);
        assert_eq!(heads(1, 2), [0, 1]);
        assert_eq!(heads(9, 2), [] as [usize; 0]);
    }
}
