//! One layer's selection (steps 4–8 of Ada-SnapKV; the other policies differ by their parts).

use super::{Allocator, HeadScores, LayerBudget, Params, Policy, top::top_k};

/// What one layer keeps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Per KV head, indices of the kept entries, ascending; the window's included.
    pub kept: Vec<Vec<u32>>,
    /// Per KV head, share of the window's mean attention that the kept entries hold, 0–1.
    pub retained: Vec<f32>,
    /// The same for uniform budgets of the same total.
    pub uniform_retained: Vec<f32>,
}

/// Chooses what a layer keeps, or `None` when everything fits.
///
/// `lens` are the heads' entries, window included; `base` is the layer's `base_l`, entries per
/// head besides the window; `scores` has a value per entry of every head (empty: recency only,
/// and no retained mass is known).
pub fn select(
    policy: &Policy,
    params: &Params,
    lens: &[usize],
    base: usize,
    scores: &[HeadScores],
) -> Option<Selection> {
    let evictable: Vec<usize> = lens
        .iter()
        .map(|n| n.saturating_sub(params.window))
        .collect();
    if fits(policy, evictable.iter().sum(), base * lens.len()) {
        return None;
    }
    let none = HeadScores::default();
    let worth: Vec<Vec<f32>> = evictable
        .iter()
        .enumerate()
        .map(|(h, &n)| {
            let scores = scores.get(h).unwrap_or(&none);
            policy.score.of(scores, n, params.kernel)
        })
        .collect();
    let keep = |allocator: Allocator, base: usize| -> Vec<Vec<u32>> {
        let caps = allocator.allocate(&worth, base, params.alpha);
        let heads = caps.iter().zip(&worth).zip(lens);
        heads
            .map(|((&cap, worth), &len)| {
                let mut kept = top_k(worth, cap);
                kept.extend(worth.len() as u32..len as u32);
                kept
            })
            .collect()
    };
    let kept = keep(policy.allocator, base);
    let held = retained(scores, &kept);
    let uniform_retained = match policy.allocator {
        Allocator::Uniform => held.clone(),
        Allocator::Adaptive => retained(scores, &keep(Allocator::Uniform, base)),
    };
    Some(Selection {
        kept,
        retained: held,
        uniform_retained,
    })
}

/// Whether a layer's `evictable` entries need no eviction to fit its total (step 5).
///
/// A pyramid's first layers are given exactly what there is when the text is shorter than they
/// want; the safeguard's rounding then takes an entry of each head, in the authors' code and here.
pub fn fits(policy: &Policy, evictable: usize, total: usize) -> bool {
    match policy.layers {
        LayerBudget::Unbounded => true,
        LayerBudget::Flat => evictable <= total,
        LayerBudget::Pyramid => evictable < total,
    }
}

/// Share of each head's mean window attention that `kept` holds; 1 where nothing was measured.
pub fn retained(scores: &[HeadScores], kept: &[Vec<u32>]) -> Vec<f32> {
    kept.iter()
        .enumerate()
        .map(|(h, kept)| {
            let mean = scores.get(h).map_or(&[][..], |s| &s.mean);
            let all: f64 = mean.iter().map(|&x| x as f64).sum();
            let held: f64 = kept
                .iter()
                .filter_map(|&i| mean.get(i as usize))
                .map(|&x| x as f64)
                .sum();
            if all > 0.0 { (held / all) as f32 } else { 1.0 }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Preset;
    use proptest::prelude::*;

    fn scores(mean: Vec<f32>) -> HeadScores {
        HeadScores {
            peak: mean.clone(),
            mean,
        }
    }

    #[test]
    fn streaming_keeps_the_sinks_and_the_most_recent() {
        let params = Params::default();
        let policy = Preset::Streaming.policy();
        let kept = select(&policy, &params, &[100], 40 - 32, &[]).unwrap().kept;
        let expected: Vec<u32> = (0..4).chain(64..100).collect();
        assert_eq!(kept[0], expected);
    }

    #[test]
    fn a_prompt_that_fits_is_left_alone() {
        let params = Params::default();
        let head = scores(vec![0.01; 128]);
        for preset in Preset::ALL {
            let policy = preset.policy();
            assert_eq!(
                select(&policy, &params, &[128], 97, std::slice::from_ref(&head)),
                None
            );
        }
    }

    #[test]
    fn adaptive_heads_retain_no_less_than_uniform_ones_without_a_safeguard() {
        let params = Params {
            alpha: 0.0,
            kernel: 1,
            window: 2,
            ..Params::default()
        };
        let sparse = scores((0..50).map(|i| if i == 7 { 0.9 } else { 0.001 }).collect());
        let flat = scores(vec![0.02; 50]);
        let policy = Preset::AdaSnapKv.policy();
        let s = select(&policy, &params, &[50, 50], 20, &[sparse, flat]).unwrap();
        let sum = |x: &[f32]| x.iter().sum::<f32>();
        assert!(sum(&s.retained) > sum(&s.uniform_retained));
        assert!(s.kept[1].len() > s.kept[0].len());
    }

    proptest! {
        /// Ragged heads of any length: never more than a head has, the window always kept, the
        /// layer's total within rounding of its budget, ascending positions.
        #[test]
        fn a_selection_is_within_the_budget_and_keeps_the_window(
            heads in prop::collection::vec(prop::collection::vec(0.0f32..1.0, 1..200), 1..5),
            base in 1usize..120,
            alpha in 0.0f64..1.0,
            preset in 1usize..7,
        ) {
            let params = Params { alpha, ..Params::default() };
            let policy = Preset::ALL[preset].policy();
            let lens: Vec<usize> = heads.iter().map(Vec::len).collect();
            let all: Vec<HeadScores> = heads.into_iter().map(scores).collect();
            prop_assert_ne!(policy.layers, LayerBudget::Unbounded);
            if let Some(s) = select(&policy, &params, &lens, base, &all) {
                let mut total = 0;
                for (kept, &len) in s.kept.iter().zip(&lens) {
                    prop_assert!(kept.windows(2).all(|p| p[0] < p[1]));
                    let window = len.min(params.window);
                    let tail: Vec<u32> = (len - window..len).map(|i| i as u32).collect();
                    prop_assert_eq!(&kept[kept.len() - window..], &tail[..]);
                    total += kept.len() - window;
                }
                prop_assert!(total <= lens.len() * base + lens.len());
            }
        }
    }
}
