//! One layer's selection (steps 4–8 of Ada-SnapKV; the other policies differ by their parts).

use super::allocate::{Allocator, Uniform, within};
use super::{Observed, Params, Policy, Score, Selection, top::top_k};

/// Chooses what a layer keeps, or `None` when everything fits. `base` is the layer's `base_l`,
/// entries per head besides the window.
pub fn select(
    policy: &Policy,
    params: &Params,
    base: usize,
    heads: &[Observed],
) -> Option<Selection> {
    let evictable = |head: &Observed| head.len().saturating_sub(params.window);
    let all: usize = heads.iter().map(evictable).sum();
    if policy.layers.fits(all, base * heads.len()) {
        return None;
    }
    let worth_by = |score: &dyn Score| -> Vec<Vec<f32>> {
        let heads = heads.iter();
        heads.map(|h| score.of(h, evictable(h), params)).collect()
    };
    let worth = worth_by(policy.score);
    let caps = within(policy.allocator.shares(&worth, base, params.alpha), &worth);
    let kept = keep(&worth, &caps, heads);
    let held = retained(heads, &kept);
    let uniform = |worth: &[Vec<f32>]| within(Uniform.shares(worth, base, params.alpha), worth);
    let uniform_retained = match policy.score.judge() {
        Some(judge) => {
            let worth = worth_by(judge);
            retained(heads, &keep(&worth, &uniform(&worth), heads))
        }
        None => match uniform(&worth) {
            same if same == caps => held.clone(),
            caps => retained(heads, &keep(&worth, &caps, heads)),
        },
    };
    Some(Selection {
        kept,
        retained: held,
        uniform_retained,
    })
}

/// Each head's `caps` best entries and its window, indices ascending.
fn keep(worth: &[Vec<f32>], caps: &[usize], heads: &[Observed]) -> Vec<Vec<u32>> {
    let heads = caps.iter().zip(worth).zip(heads);
    heads
        .map(|((&cap, worth), head)| {
            let mut kept = top_k(worth, cap);
            kept.extend(worth.len() as u32..head.len() as u32);
            kept
        })
        .collect()
}

/// Share of each head's mean window attention that `kept` holds; 1 where nothing was measured.
pub fn retained(heads: &[Observed], kept: &[Vec<u32>]) -> Vec<f32> {
    heads
        .iter()
        .zip(kept)
        .map(|(head, kept)| {
            let mean = &head.scores.mean;
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
    use crate::policy::{HeadScores, LayerBudget, Preset};
    use proptest::prelude::*;

    fn observed(mean: Vec<f32>) -> Observed {
        Observed {
            positions: (0..mean.len() as u32).collect(),
            scores: HeadScores {
                peak: mean.clone(),
                mean,
            },
            ..Observed::default()
        }
    }

    #[test]
    fn streaming_keeps_the_sinks_and_the_most_recent() {
        let params = Params::default();
        let policy = Preset::STREAMING.policy();
        let head = Observed {
            positions: (0..100).collect(),
            ..Observed::default()
        };
        let kept = select(&policy, &params, 40 - 32, &[head]).unwrap().kept;
        let expected: Vec<u32> = (0..4).chain(64..100).collect();
        assert_eq!(kept[0], expected);
    }

    #[test]
    fn a_prompt_that_fits_is_left_alone() {
        let params = Params::default();
        let head = observed(vec![0.01; 128]);
        for preset in Preset::ALL {
            let policy = preset.policy();
            let found = select(&policy, &params, 97, std::slice::from_ref(&head));
            assert_eq!(found, None);
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
        let sparse = observed((0..50).map(|i| if i == 7 { 0.9 } else { 0.001 }).collect());
        let flat = observed(vec![0.02; 50]);
        let policy = Preset::ADA_SNAPKV.policy();
        let s = select(&policy, &params, 20, &[sparse, flat]).unwrap();
        let sum = |x: &[f32]| x.iter().sum::<f32>();
        assert!(sum(&s.retained) > sum(&s.uniform_retained));
        assert!(s.kept[1].len() > s.kept[0].len());
    }

    /// What the panel shows beside StreamingLLM is a SnapKV of the same total.
    #[test]
    fn streaming_is_held_against_snapkv() {
        let params = Params {
            window: 2,
            ..Params::default()
        };
        let heads = [observed((0..60).map(|i| (i * 37 % 60) as f32).collect())];
        let streaming = select(&Preset::STREAMING.policy(), &params, 20, &heads).unwrap();
        let snap = select(&Preset::SNAPKV.policy(), &params, 20, &heads).unwrap();
        assert_eq!(streaming.uniform_retained, snap.retained);
        assert_ne!(streaming.retained, snap.retained);
    }

    proptest! {
        /// Ragged heads of any length: never more than a head has, the window always kept, the
        /// layer's total within rounding of its budget, ascending positions.
        #[test]
        fn a_selection_is_within_the_budget_and_keeps_the_window(
            heads in prop::collection::vec(prop::collection::vec(0.0f32..1.0, 1..200), 1..5),
            base in 1usize..120,
            alpha in 0.0f64..1.0,
            preset in 1..Preset::ALL.len(),
        ) {
            let params = Params { alpha, ..Params::default() };
            let policy = Preset::ALL[preset].policy();
            let heads: Vec<Observed> = heads.into_iter().map(observed).collect();
            prop_assert_ne!(policy.layers, LayerBudget::Unbounded);
            if let Some(s) = select(&policy, &params, base, &heads) {
                let mut total = 0;
                for (kept, len) in s.kept.iter().zip(heads.iter().map(Observed::len)) {
                    prop_assert!(kept.windows(2).all(|p| p[0] < p[1]));
                    let window = len.min(params.window);
                    let tail: Vec<u32> = (len - window..len).map(|i| i as u32).collect();
                    prop_assert_eq!(&kept[kept.len() - window..], &tail[..]);
                    total += kept.len() - window;
                }
                prop_assert!(total <= heads.len() * base + heads.len());
            }
        }
    }
}
