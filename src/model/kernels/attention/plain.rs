//! Attention and window scores in the obvious way: what the kernels are tested against.

use super::HeadScores;
use crate::cache::{Head, HostLayer, KvElement, PAGE};

/// [`super::attend`], one thread.
pub fn attend<T: KvElement>(
    layer: &HostLayer<T>,
    q: &[f32],
    rows: usize,
    heads: usize,
    scale: f32,
    out: &mut [f32],
) {
    let group = heads / layer.heads.len();
    for r in 0..rows {
        for i in 0..heads {
            let head = &layer.heads[i / group];
            let dim = head.head_dim();
            let q = &q[(r * heads + i) * dim..][..dim];
            let seen = head.len() + 1 + r - rows;
            let weights = softmax_row(head, q, seen, scale);
            let out = &mut out[(r * heads + i) * dim..][..dim];
            out.fill(0.0);
            for (e, w) in weights.iter().enumerate() {
                let values = &head.pages()[e / PAGE].values()[(e % PAGE) * dim..][..dim];
                for (o, v) in out.iter_mut().zip(values) {
                    *o += w * v.to_f32();
                }
            }
        }
    }
}

/// [`super::window_scores`], one thread.
pub fn window_scores<T: KvElement>(
    layer: &HostLayer<T>,
    q: &[f32],
    window: usize,
    heads: usize,
    scale: f32,
) -> Vec<HeadScores> {
    let group = heads / layer.heads.len();
    layer
        .heads
        .iter()
        .enumerate()
        .map(|(h, head)| {
            let dim = head.head_dim();
            let mut mean = vec![0.0; head.len()];
            let mut peak = vec![0.0f32; head.len()];
            for r in 0..window {
                for i in h * group..(h + 1) * group {
                    let q = &q[(r * heads + i) * dim..][..dim];
                    let seen = head.len() + 1 + r - window;
                    for (e, w) in softmax_row(head, q, seen, scale).into_iter().enumerate() {
                        mean[e] += w / (window * group) as f32;
                        peak[e] = peak[e].max(w);
                    }
                }
            }
            HeadScores { mean, peak }
        })
        .collect()
}

/// Softmax weights of one query over the first `seen` entries.
fn softmax_row<T: KvElement>(head: &Head<T>, q: &[f32], seen: usize, scale: f32) -> Vec<f32> {
    let mut row: Vec<f32> = (0..seen)
        .map(|e| {
            let keys = head.pages()[e / PAGE].keys();
            let dot: f32 = q
                .iter()
                .enumerate()
                .map(|(d, x)| x * keys[d * PAGE + e % PAGE].to_f32())
                .sum();
            dot * scale
        })
        .collect();
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for x in &mut row {
        *x = (*x - max).exp();
        sum += *x;
    }
    row.iter_mut().for_each(|x| *x /= sum);
    row
}
