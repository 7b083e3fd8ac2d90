//! Heads with numbers of every kind, for tests.

use super::{HeadScores, Observed};
use crate::random::Random;

/// `len` entries of a head whose positions have gaps, and the queries of a window of four.
pub fn head(random: &mut Random, len: usize) -> Observed {
    let (group, head_dim) = (2, 8);
    let mut numbers = |n: usize| -> Vec<f32> { (0..n).map(|_| random.normal()).collect() };
    let weights: Vec<f32> = numbers(len).iter().map(|x| (2.0 * x).exp()).collect();
    let all: f32 = weights.iter().sum();
    let mean: Vec<f32> = weights.iter().map(|x| x / all).collect();
    let peak = mean.iter().zip(numbers(len));
    Observed {
        scores: HeadScores {
            peak: peak.map(|(x, by)| x * (1.0 + by.abs())).collect(),
            mean,
        },
        positions: (0..len as u32).map(|i| 3 * i + 1).collect(),
        keys: numbers(len * head_dim),
        values: numbers(len * head_dim),
        projected: numbers(len).iter().map(|x| x.abs()).collect(),
        queries: numbers(4 * group * head_dim),
        group,
        head_dim,
    }
}

/// The same of every length.
pub fn heads(seed: u64, lens: &[usize]) -> Vec<Observed> {
    let mut random = Random::new(seed);
    lens.iter().map(|&len| head(&mut random, len)).collect()
}

/// The best `k`, one after the other; ties go to the lowest index.
pub fn best(worth: &[f32], k: usize) -> Vec<u32> {
    let mut left: Vec<u32> = (0..worth.len() as u32).collect();
    let mut chosen = Vec::new();
    while chosen.len() < k && !left.is_empty() {
        let mut at = 0;
        for (i, &entry) in left.iter().enumerate() {
            if worth[entry as usize] > worth[left[at] as usize] {
                at = i;
            }
        }
        chosen.push(left.remove(at));
    }
    chosen.sort_unstable();
    chosen
}
