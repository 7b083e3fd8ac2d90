//! Every allocator against a slow, obvious restatement, over scores of every kind.

use super::pooled::CANDIDATES;
use super::*;
use crate::policy::select::select;
use crate::policy::{
    Choice, Extent, LayerBudget, Observed, Params, Policy, Preset, Score, Selection, begin, choose,
    made,
};

const PARAMS: Params = Params {
    window: 4,
    kernel: 7,
    alpha: 0.2,
    slack: 8,
};

/// Heads of two layers, some of them short.
const LENS: [[usize; 3]; 2] = [[90, 7, 60], [40, 150, 33]];

const BASES: [usize; 5] = [1, 2, 9, 25, 46];

fn worth(score: &dyn Score, heads: &[Observed]) -> Vec<Vec<f32>> {
    let of = |head: &Observed| score.of(head, head.len() - PARAMS.window, &PARAMS);
    heads.iter().map(of).collect()
}

/// The best entry that is left of all heads, `total` times over: how many each head had.
fn one_by_one(worth: &[Vec<f32>], mut taken: Vec<usize>, total: usize) -> Vec<usize> {
    let mut left: Vec<Vec<(f32, usize)>> = Vec::new();
    for (head, &taken) in worth.iter().zip(&taken) {
        let mut entries: Vec<(f32, usize)> = head.iter().copied().zip(0..).collect();
        entries.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        left.push(entries.split_off(taken.min(entries.len())));
    }
    for _ in 0..total {
        let mut best: Option<usize> = None;
        for (h, head) in left.iter().enumerate() {
            let better = |than: usize| match (head.first(), left[than].first()) {
                (Some(a), Some(b)) => a.0 > b.0 || (a.0 == b.0 && a.1 < b.1),
                (a, b) => a.is_some() && b.is_none(),
            };
            if best.is_none_or(better) {
                best = Some(h);
            }
        }
        let Some(h) = best.filter(|&h| !left[h].is_empty()) else {
            break;
        };
        left[h].remove(0);
        taken[h] += 1;
    }
    taken
}

/// Ada-KV's shares: a head's part of the best, less the safeguard, and the safeguard; none more than it has.
fn adaptive(worth: &[Vec<f32>], base: usize) -> Vec<usize> {
    let counts = one_by_one(worth, vec![0; worth.len()], worth.len() * base);
    let floor = (0.2 * base as f64).floor() as f32;
    let rounded = |c: usize| (0.8f32 * c as f32 + floor).round_ties_even() as usize;
    given(counts.into_iter().map(rounded).collect(), worth)
}

/// What a head cannot use goes to the best entries of the others.
fn given(shares: Vec<usize>, worth: &[Vec<f32>]) -> Vec<usize> {
    let have = shares.iter().zip(worth).map(|(&s, head)| s.min(head.len()));
    let have: Vec<usize> = have.collect();
    let left = shares.iter().sum::<usize>() - have.iter().sum::<usize>();
    one_by_one(worth, have, left)
}

fn every_score() -> impl Iterator<Item = &'static dyn Score> {
    Preset::every().map(|preset| preset.policy().score)
}

#[test]
fn uniform_and_adaptive_shares_are_what_they_say() {
    for (seed, score) in (0..).zip(every_score()) {
        for lens in LENS {
            let worth = worth(score, &made::heads(seed, &lens));
            for base in BASES {
                let found = within(Adaptive.shares(&worth, base, 0.2), &worth);
                assert_eq!(found, adaptive(&worth, base), "{score:?}, {base}");
                let found = within(Uniform.shares(&worth, base, 0.2), &worth);
                assert_eq!(found, given(vec![base; 3], &worth), "{score:?}, {base}");
            }
        }
    }
}

/// A round over both layers under a pooled policy: what each head keeps, as indices when it was shown.
fn round(score: &'static dyn Score, seed: u64, base: usize, waits: bool) -> Vec<Vec<u32>> {
    let policy = Policy {
        score,
        allocator: &Pooled,
        layers: LayerBudget::Flat,
    };
    let extent = Extent {
        layers: 2,
        position: 150,
        budget: base + PARAMS.window,
        waits,
    };
    let mut round = begin(policy, PARAMS, extent);
    let mut held: Vec<Vec<Vec<u32>>> = Vec::new();
    let apply = |held: &mut Vec<Vec<Vec<u32>>>, choices: Vec<Choice>| {
        for Choice { layer, selection } in choices {
            let Selection { kept, .. } = selection;
            for (held, kept) in held[layer].iter_mut().zip(kept) {
                assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
                *held = kept.iter().map(|&i| held[i as usize]).collect();
            }
        }
    };
    for (layer, lens) in LENS.iter().enumerate() {
        held.push(lens.map(|len| (0..len as u32).collect()).into());
        let heads = made::heads(seed + layer as u64, lens);
        let choices = round.observe(layer, heads);
        apply(&mut held, choices);
        let most = |(now, len): (&Vec<u32>, usize)| {
            now.len() <= (CANDIDATES * base + PARAMS.window).min(len)
        };
        assert!(waits || held[layer].iter().zip(*lens).all(most));
    }
    let choices = round.finish();
    apply(&mut held, choices);
    held.concat()
}

/// The shares are Ada-KV's of one layer with all heads, where none has more than the candidates; each
/// head then keeps what a layer's selection would.
#[test]
fn a_pooled_round_is_one_layer_of_all_heads_at_once_or_in_a_cascade() {
    for (seed, score) in (0..).zip(every_score()) {
        let layers = (0..2).map(|layer| made::heads(10 * seed + layer, &LENS[layer as usize]));
        let heads: Vec<Observed> = layers.flatten().collect();
        let all = worth(score, &heads);
        for base in BASES {
            let mut claims = all.clone();
            for head in &mut claims {
                let best = made::best(head, CANDIDATES * base);
                *head = best.iter().map(|&i| head[i as usize]).collect();
            }
            let caps = adaptive(&claims, base);
            let kept = round(score, 10 * seed, base, true);
            let lens: Vec<usize> = kept.iter().map(|kept| kept.len() - PARAMS.window).collect();
            assert_eq!(lens, caps, "{score:?}, {base}");
            for ((head, kept), (worth, cap)) in heads.iter().zip(&kept).zip(all.iter().zip(caps)) {
                let second = score.second(head, worth, &PARAMS);
                let mut expected = choose(worth, &second, score.firsts(cap), cap);
                expected.extend(worth.len() as u32..head.len() as u32);
                assert_eq!(*kept, expected, "{score:?}, {base}");
            }
            assert_eq!(
                round(score, 10 * seed, base, false),
                kept,
                "{score:?}, {base}"
            );
        }
    }
}

/// One layer under every policy: totals, floors, and no entry twice.
#[test]
fn a_layer_keeps_its_total_and_every_head_its_floor() {
    for (seed, preset) in (0..).zip(Preset::every().skip(1)) {
        for lens in LENS {
            let heads = made::heads(seed, &lens);
            for base in BASES {
                let policy = preset.policy();
                let Some(selection) = select(&policy, &PARAMS, base, &heads) else {
                    assert!(lens.iter().map(|len| len - PARAMS.window).sum::<usize>() <= 3 * base);
                    continue;
                };
                let mut total = 0;
                for (kept, len) in selection.kept.iter().zip(lens) {
                    assert!(kept.windows(2).all(|pair| pair[0] < pair[1]), "{preset}");
                    assert!(kept.iter().all(|&i| (i as usize) < len), "{preset}");
                    let evictable = len - PARAMS.window;
                    let window: Vec<u32> = (evictable as u32..len as u32).collect();
                    assert!(kept.ends_with(&window), "{preset}");
                    let share = kept.len() - window.len();
                    assert!(share >= (base / 5).min(evictable), "{preset}");
                    total += share;
                }
                // An entry and a half of each head are roundings, as in the authors' code.
                assert!(2 * total.abs_diff(3 * base) <= 3 * 3, "{preset}: {total}");
            }
        }
    }
}
