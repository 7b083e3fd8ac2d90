//! One layer's selection (steps 4–8 of Ada-SnapKV; the other policies differ by their parts).

use super::allocate::{Allocator, Uniform, within};
use super::each::each;
use super::{Observed, Params, Policy, Score, Selection, top::choose};

/// Chooses what a layer keeps, or `None` when everything fits. `base` is the layer's `base_l`,
/// entries per head besides the window.
pub fn select(
    policy: &Policy,
    params: &Params,
    base: usize,
    heads: &[Observed],
) -> Option<Selection> {
    let all: usize = heads.iter().map(|head| evictable(head, params)).sum();
    if policy.layers.fits(all, base * heads.len()) {
        return None;
    }
    let judged = Judged::by(policy.score, heads, params);
    let shares = |judged: &Judged, allocator: &dyn Allocator| {
        let shares = allocator.shares(&judged.worth, base, params.alpha);
        within(shares, &judged.worth)
    };
    let caps = shares(&judged, policy.allocator);
    let kept = judged.keep(&caps, heads);
    let held = retained(heads, &kept);
    let uniform_retained = match policy.score.judge() {
        Some(judge) => {
            let judged = Judged::by(judge, heads, params);
            retained(heads, &judged.keep(&shares(&judged, &Uniform), heads))
        }
        None => match shares(&judged, &Uniform) {
            same if same == caps => held.clone(),
            caps => retained(heads, &judged.keep(&caps, heads)),
        },
    };
    Some(Selection {
        kept,
        retained: held,
        uniform_retained,
    })
}

/// Those of all heads.
fn entries(heads: &[Observed]) -> usize {
    heads.iter().map(Observed::len).sum()
}

/// A head's entries besides the window.
fn evictable(head: &Observed, params: &Params) -> usize {
    head.len().saturating_sub(params.window)
}

/// What a layer's evictable entries are worth by a score, per head.
struct Judged<'a> {
    score: &'a dyn Score,
    worth: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
}

impl<'a> Judged<'a> {
    fn by(score: &'a dyn Score, heads: &[Observed], params: &Params) -> Self {
        let judged = each(heads, entries(heads), |head| {
            let worth = score.of(head, evictable(head, params), params);
            let second = score.second(head, &worth, params);
            (worth, second)
        });
        let (worth, second) = judged.into_iter().unzip();
        Judged {
            score,
            worth,
            second,
        }
    }

    /// Each head's `caps` best entries and its window, indices ascending.
    fn keep(&self, caps: &[usize], heads: &[Observed]) -> Vec<Vec<u32>> {
        let judged = self.worth.iter().zip(&self.second);
        let all: Vec<_> = caps.iter().zip(judged).zip(heads).collect();
        each(&all, entries(heads), |((cap, (worth, second)), head)| {
            let mut kept = choose(worth, second, self.score.firsts(**cap), **cap);
            kept.extend(worth.len() as u32..head.len() as u32);
            kept
        })
    }
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
