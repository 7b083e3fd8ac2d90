//! Every score against a slow, obvious restatement, on heads with numbers of every kind.

use super::*;
use crate::policy::{Preset, choose, made};

const LENS: [usize; 6] = [1, 3, 8, 40, 129, 300];

/// The formula, entry by entry: of a head, how many of its entries are judged, which one.
type Restated = fn(&Observed, usize, usize) -> f64;

/// `score` gives each of the first entries what the formula says.
fn is(score: &dyn Score, restated: Restated) {
    let params = Params::default();
    for head in made::heads(3, &LENS) {
        for evictable in [0, 1, head.len() / 2, head.len()] {
            let found = score.of(&head, evictable, &params);
            assert_eq!(found.len(), evictable);
            for (i, &found) in found.iter().enumerate() {
                let expected = restated(&head, evictable, i);
                let off = (f64::from(found) - expected).abs();
                let same = f64::from(found) == expected || off < 1e-5 * (1.0 + expected.abs());
                assert!(same, "{score:?} of {i}: {found} for {expected}");
            }
        }
    }
}

fn row(numbers: &[f32], i: usize) -> Vec<f64> {
    numbers[i * 8..(i + 1) * 8]
        .iter()
        .map(|&x| x.into())
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The largest of what the entries say that `sees` names.
fn most(n: usize, sees: impl Fn(usize) -> bool, of: impl Fn(usize) -> f64) -> f64 {
    (0..n).filter(|&j| sees(j)).map(of).fold(0.0, f64::max)
}

/// The largest mean of the entry and three on either side.
fn pooled(head: &Observed, n: usize, i: usize) -> f64 {
    most(n, |j| i.abs_diff(j) <= 3, |j| head.scores.mean[j].into())
}

#[test]
fn of_the_window() {
    is(&Window, pooled);
    is(&Critical, pooled);
}

#[test]
fn of_reach() {
    is(&Reach::NARROW, |head, n, i| {
        let peak = |j: usize| f64::from(head.scores.peak[j]);
        let inherited = most(n, |j| j < i && i - j <= 6, peak);
        peak(i).max(0.1 * inherited)
    });
    is(&Reach::WIDE, |head, n, i| {
        let peak = |j: usize| f64::from(head.scores.peak[j]);
        let inherited = most(n, |j| (j < i && i - j <= 20) || (j > i && j - i <= 2), peak);
        peak(i).max(0.1 * inherited)
    });
    is(&Reach::LONG, |head, n, i| {
        let peak = |j: usize| f64::from(head.scores.peak[j]);
        let near = most(n, |j| (j < i && i - j <= 20) || (j > i && j - i <= 2), peak);
        let far = most(n, |j| j < i && i - j <= 44, peak);
        peak(i).max(0.1 * near).max(0.05 * far)
    });
}

#[test]
fn of_the_worst_case() {
    is(&Defensive, |head, n, i| {
        let peak = |j: usize| f64::from(head.scores.peak[j]);
        let mean = (0..n).map(peak).sum::<f64>() / n as f64;
        most(n, |j| i.abs_diff(j) <= 3, |j| peak(j).max(mean))
    });
}

#[test]
fn of_keys() {
    is(&KeyNorm, |head, _, i| {
        let key = row(&head.keys, i);
        -dot(&key, &key).sqrt()
    });
}

#[test]
fn of_the_newest_query() {
    is(&Tova, |head, _, i| {
        // The last of four positions: two query heads.
        let weight = |query: usize| {
            let query = row(&head.queries, query);
            let exp = |j: usize| dot(&query, &row(&head.keys, j)).exp();
            exp(i) / (0..head.len()).map(exp).sum::<f64>()
        };
        (weight(6) + weight(7)) / 2.0
    });
}

#[test]
fn of_expected_queries() {
    is(&Expected, |head, n, i| {
        let weight = |member: usize| {
            let exp = |j: usize| {
                let key = row(&head.keys, j);
                let products = [0, 2, 4, 6].map(|q| dot(&row(&head.queries, q + member), &key));
                let mean = products.iter().sum::<f64>() / 4.0;
                let variance = products.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 4.0;
                (mean + variance / 2.0).exp()
            };
            exp(i) / (0..n).map(exp).sum::<f64>()
        };
        let value = row(&head.values, i);
        ((weight(0) + weight(1)) / 2.0 + 0.02) * dot(&value, &value).sqrt()
    });
}

#[test]
fn of_the_output_s_change() {
    is(&Change, |head, n, i| {
        let mut away = row(&head.values, i);
        for j in 0..head.len() {
            let value = row(&head.values, j);
            let weight = f64::from(head.scores.mean[j]);
            away.iter_mut()
                .zip(value)
                .for_each(|(o, v)| *o -= weight * v);
        }
        pooled(head, n, i) * dot(&away, &away).sqrt()
    });
}

#[test]
fn of_recency() {
    is(&Recency, |_, _, i| match i {
        0..4 => f64::INFINITY,
        _ => i as f64,
    });
}

#[test]
fn of_chance() {
    is(&Random, |head, _, i| {
        let alone = Observed {
            positions: vec![head.positions[i]],
            ..Observed::default()
        };
        Random.of(&alone, 1, &Params::default())[0].into()
    });
}

/// The second stage: of what a head is given, half by attention, then what is worth most of the others.
#[test]
fn critical_keeps_half_by_attention_and_the_rest_by_what_the_output_gets() {
    for head in made::heads(9, &LENS) {
        let worth = Critical.of(&head, head.len(), &Params::default());
        let second = Critical.second(&head, &worth, &Params::default());
        for k in 0..=head.len() {
            let mut kept = made::best(&worth, k / 2);
            let weighed = |i: usize| match kept.contains(&(i as u32)) {
                true => f32::NEG_INFINITY,
                false => (worth[i] + 1e-4) * head.projected[i],
            };
            let others: Vec<f32> = (0..head.len()).map(weighed).collect();
            kept.extend(made::best(&others, k - kept.len()));
            kept.sort_unstable();
            assert_eq!(choose(&worth, &second, Critical.firsts(k), k), kept);
        }
    }
}

/// The first part by the strongest attention and what is around it, then what the window looks at most of all others.
#[test]
fn blend_keeps_what_is_around_peaks_and_then_what_is_looked_at_most() {
    let params = Params::default();
    for head in made::heads(10, &LENS) {
        let worth = Blend::LONG.of(&head, head.len(), &params);
        assert_eq!(worth, Reach::LONG.of(&head, head.len(), &params));
        let second = Blend::LONG.second(&head, &worth, &params);
        for k in 0..=head.len() {
            let firsts = Blend::LONG.firsts(k);
            let mut kept = made::best(&worth, firsts);
            let others: Vec<f32> = (0..head.len())
                .map(|i| match kept.contains(&(i as u32)) {
                    true => f32::NEG_INFINITY,
                    false => pooled(&head, head.len(), i) as f32,
                })
                .collect();
            kept.extend(made::best(&others, k - firsts));
            kept.sort_unstable();
            assert_eq!(choose(&worth, &second, firsts, k), kept);
        }
    }
}

/// What is chosen of fewer is among what is chosen of more: a cascade that keeps the best of many may choose later.
#[test]
fn of_two_measures_less_is_a_part_of_more() {
    for preset in Preset::every() {
        let score = preset.policy().score;
        let head = made::heads(4, &[90]).remove(0);
        let worth = score.of(&head, 90, &Params::default());
        let second = score.second(&head, &worth, &Params::default());
        let of = |k: usize| choose(&worth, &second, score.firsts(k), k);
        for k in 0..90 {
            let more = of(k + 1);
            assert!(of(k).iter().all(|i| more.contains(i)), "{preset}, {k}");
        }
    }
}

/// A name that the tests above do not know would be a score without a restatement.
#[test]
fn every_score_is_restated() {
    let restated: [&dyn Score; 13] = [
        &Recency,
        &Window,
        &Reach::NARROW,
        &Random,
        &Defensive,
        &KeyNorm,
        &Expected,
        &Tova,
        &Critical,
        &Change,
        &Reach::WIDE,
        &Blend::LONG,
        &Blend::NEAR,
    ];
    let names = restated.map(|score| format!("{score:?}"));
    for preset in Preset::every() {
        let name = format!("{:?}", preset.policy().score);
        assert!(names.contains(&name), "{name}");
    }
}

/// Whatever was measured of a head, each entry that may go has one number, and none is no number.
#[test]
fn a_score_is_of_every_entry_also_where_little_was_measured() {
    for preset in Preset::every() {
        let score = preset.policy().score;
        for mut head in made::heads(1, &[0, 5, 70]) {
            let n = head.len();
            for measured in [n, n / 2, 0] {
                head.scores.mean.truncate(measured);
                head.scores.peak.truncate(measured);
                head.projected.truncate(measured);
                let worth = score.of(&head, n, &Params::default());
                let second = score.second(&head, &worth, &Params::default());
                assert_eq!(worth.len(), n, "{preset}");
                assert!(second.is_empty() || second.len() == n, "{preset}");
                assert!(!worth.iter().chain(&second).any(|x| x.is_nan()), "{preset}");
            }
        }
    }
}
