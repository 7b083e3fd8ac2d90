//! How much the head's output changes when an entry goes: attention alone does not say it, since a value
//! that is like the output is not missed.

use super::window::max_pool;
use super::{Needs, Observed, Params, Score};

/// `ā · ‖v − o‖₂`, where `ā` is the window's mean attention, max-pooled as SnapKV's, and `o = Σ ā v` the
/// output that it gives. Without the entry the rest is normed anew, and the output moves by
/// `ā / (1 − ā) · (v − o)`: this is its first order.
#[derive(Debug)]
pub struct Change;

impl Score for Change {
    fn needs(&self) -> Needs {
        Needs {
            values: true,
            ..Needs::NONE
        }
    }

    fn of(&self, head: &Observed, evictable: usize, params: &Params) -> Vec<f32> {
        let size = head.head_dim.max(1);
        let mut output = vec![0.0f64; size];
        for (value, &weight) in head.values.chunks_exact(size).zip(&head.scores.mean) {
            for (o, &v) in output.iter_mut().zip(value) {
                *o += f64::from(weight) * f64::from(v);
            }
        }
        let moved = |(value, weight): (&[f32], f32)| {
            let squares = value.iter().zip(&output).map(|(&v, &o)| {
                let d = f64::from(v) - o;
                d * d
            });
            (f64::from(weight) * squares.sum::<f64>().sqrt()) as f32
        };
        let pooled = max_pool(&head.mean(evictable), params.kernel);
        let rows = head.values.chunks_exact(size).zip(pooled);
        let mut worth: Vec<f32> = rows.map(moved).collect();
        worth.resize(evictable, 0.0);
        worth
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::HeadScores;

    /// Against the output without the entry, computed as such.
    #[test]
    fn it_ranks_as_the_output_changes() {
        let mean = vec![0.02, 0.03, 0.05, 0.4, 0.5];
        let values = vec![1.0, 0.0, -4.0, 2.0, 0.3, 0.1, 0.5, 0.5, 0.2, 0.2];
        let head = Observed {
            positions: (0..5).collect(),
            scores: HeadScores {
                mean: mean.clone(),
                peak: Vec::new(),
            },
            values: values.clone(),
            head_dim: 2,
            ..Observed::default()
        };
        let output = |without: Option<usize>| {
            let kept: Vec<usize> = (0..5).filter(|&i| Some(i) != without).collect();
            let all: f32 = kept.iter().map(|&i| mean[i]).sum();
            let of = |d: usize| -> f32 {
                kept.iter()
                    .map(|&i| mean[i] / all * values[2 * i + d])
                    .sum()
            };
            [of(0), of(1)]
        };
        let full = output(None);
        let unpooled = Params {
            kernel: 1,
            ..Params::default()
        };
        let worth = Change.of(&head, 3, &unpooled);
        for (i, &worth) in worth.iter().enumerate() {
            let o = output(Some(i));
            let moved = ((o[0] - full[0]).powi(2) + (o[1] - full[1]).powi(2)).sqrt();
            let exact = moved * (1.0 - mean[i]);
            assert!((worth - exact).abs() < 1e-5, "{i}: {worth} for {exact}");
        }
        assert!(
            worth[1] > worth[2],
            "little attention on a far value counts for more"
        );
    }
}
