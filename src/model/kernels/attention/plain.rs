//! Attention and window scores in the obvious way: what the kernels are tested against.

use super::{HeadScores, Queries};
use crate::cache::{Head, HostLayer, KvElement, PAGE};

/// [`super::attend`], one thread.
pub fn attend<T: KvElement>(layer: &HostLayer<T>, queries: &Queries, out: &mut [f32]) {
    let heads = queries.heads;
    let group = heads / layer.heads.len();
    for r in 0..queries.rows {
        for i in 0..heads {
            let head = &layer.heads[i / group];
            let dim = head.head_dim();
            let weights = softmax_row(head, queries, r, i);
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
pub fn window_scores<T: KvElement>(layer: &HostLayer<T>, queries: &Queries) -> Vec<HeadScores> {
    let Queries { rows, heads, .. } = *queries;
    let group = heads / layer.heads.len();
    layer
        .heads
        .iter()
        .enumerate()
        .map(|(h, head)| {
            let mut mean = vec![0.0; head.len()];
            let mut peak = vec![0.0f32; head.len()];
            for r in 0..rows {
                for i in h * group..(h + 1) * group {
                    for (e, w) in softmax_row(head, queries, r, i).into_iter().enumerate() {
                        mean[e] += w / (rows * group) as f32;
                        peak[e] = peak[e].max(w);
                    }
                }
            }
            HeadScores { mean, peak }
        })
        .collect()
}

/// Softmax weights of query head `i` of row `r` over the entries that it sees; 0 before the first.
fn softmax_row<T: KvElement>(head: &Head<T>, queries: &Queries, r: usize, i: usize) -> Vec<f32> {
    let dim = head.head_dim();
    let q = &queries.q[(r * queries.heads + i) * dim..][..dim];
    let seen = head.len() + 1 + r - queries.rows - queries.span.behind;
    let first = seen - queries.span.window.unwrap_or(seen).min(seen);
    let mut row: Vec<f32> = (0..seen)
        .map(|e| {
            if e < first {
                return f32::NEG_INFINITY;
            }
            let keys = head.pages()[e / PAGE].keys();
            let dot: f32 = q
                .iter()
                .enumerate()
                .map(|(d, x)| x * keys[d * PAGE + e % PAGE].to_f32())
                .sum();
            let score = dot * queries.scale;
            queries.soft_cap.map_or(score, |c| c * (score / c).tanh())
        })
        .collect();
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = queries.sinks.map_or(0.0, |sinks| (sinks[i] - max).exp());
    for x in &mut row {
        *x = (*x - max).exp();
        sum += *x;
    }
    row.iter_mut().for_each(|x| *x /= sum);
    row
}
