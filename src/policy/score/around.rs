//! The largest of what stands around each entry.

/// The largest of `x[i − after ..= i + before]` for every `i`; the edges see fewer entries, nothing is padded
/// in, and what is no number counts as nothing. Takes `log(before + after)` passes over `x`.
pub fn most_around(x: &[f32], before: usize, after: usize) -> Vec<f32> {
    // More than there is changes nothing, and is no length to take memory for.
    let (before, after) = (before.min(x.len()), after.min(x.len()));
    let mut most: Vec<f32> = x.iter().map(|x| x.max(f32::NEG_INFINITY)).collect();
    most.resize(x.len() + before, f32::NEG_INFINITY);
    // Of the `seen` entries that end at each: two such next to one another are one of twice the length.
    let (mut seen, wanted) = (1, before + after + 1);
    while seen < wanted {
        let step = seen.min(wanted - seen);
        let earlier = most.clone();
        for (most, earlier) in most.iter_mut().skip(step).zip(earlier) {
            *most = most.max(earlier);
        }
        seen += step;
    }
    most.split_off(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_wider_than_everything_sees_everything() {
        let (x, wide) = ([1.0, 3.0, 2.0], usize::MAX / 2);
        assert_eq!(most_around(&x, wide, wide), [3.0; 3]);
    }

    #[test]
    fn is_the_largest_of_each_window() {
        let mut x: Vec<f32> = (0..50).map(|i| ((i * 37 + 11) % 53) as f32).collect();
        x[1..5].fill(f32::NAN);
        for n in [0, 1, 2, 7, 50] {
            for (before, after) in [(0, 0), (3, 3), (0, 6), (2, 20), (5, 0), (60, 1), (1, 60)] {
                let found = most_around(&x[..n], before, after);
                let slow = |i: usize| {
                    let window = &x[i.saturating_sub(after)..(i + before + 1).min(n)];
                    window.iter().copied().fold(f32::NEG_INFINITY, f32::max)
                };
                let expected: Vec<f32> = (0..n).map(slow).collect();
                assert_eq!(found, expected, "{n} {before} {after}");
            }
        }
    }
}
