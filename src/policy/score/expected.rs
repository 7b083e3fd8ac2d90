//! Expected Attention (arXiv 2510.00636): what queries that are still to come will pay, were they drawn from
//! a normal distribution, times how long the value is.

use super::{Needs, Observed, Params, Score};

/// `(softmax(μᵀk + kᵀΣk / 2) + ε) · ‖v‖₂`, averaged over the group's query heads: `E exp(qᵀk)` for
/// `q ~ N(μ, Σ)`, with `μ` and `Σ` of the window's queries as they are, at their own positions. The paper
/// takes those of the whole prompt, and turns them to positions that follow.
#[derive(Debug)]
pub struct Expected;

/// `ε`: long values count even where nothing is expected.
const FLOOR: f32 = 0.02;

impl Score for Expected {
    fn needs(&self) -> Needs {
        Needs {
            keys: true,
            values: true,
            queries: true,
            ..Needs::NONE
        }
    }

    fn of(&self, head: &Observed, evictable: usize, _: &Params) -> Vec<f32> {
        let size = head.head_dim.max(1);
        let keys: Vec<&[f32]> = head.keys.chunks_exact(size).take(evictable).collect();
        let mut worth = vec![0.0; evictable];
        let group = head.group.max(1);
        for member in 0..group {
            let queries: Vec<&[f32]> = head
                .queries
                .chunks_exact(size)
                .skip(member)
                .step_by(group)
                .collect();
            // The mean of exp(x) over a normal x is exp(mean + variance / 2).
            let expected = |key: &&[f32]| {
                let n = queries.len().max(1) as f32;
                let products = || queries.iter().map(|q| dot(q, key));
                let (sum, squares) =
                    products().fold((0.0, 0.0), |(s, ss): (f32, f32), x| (s + x, ss + x * x));
                let mean = sum / n;
                mean + (squares / n - mean * mean).max(0.0) / 2.0
            };
            let logits: Vec<f32> = keys.iter().map(expected).collect();
            let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let weights: Vec<f32> = logits.iter().map(|x| (x - most).exp()).collect();
            let sum: f32 = weights.iter().sum();
            for (worth, weight) in worth.iter_mut().zip(weights) {
                *worth += weight / sum / group as f32;
            }
        }
        let norms = head.values.chunks_exact(size).map(|v| dot(v, v).sqrt());
        for (worth, norm) in worth.iter_mut().zip(norms) {
            *worth = (*worth + FLOOR) * norm;
        }
        worth
    }
}

/// In eight sums, so that the compiler may use vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a, b) = (a.chunks(8), b.chunks(8));
    for (a, b) in a.zip(b) {
        for ((sum, x), y) in sums.iter_mut().zip(a).zip(b) {
            *sum += x * y;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the mean and the covariance written out.
    #[test]
    fn it_is_the_mean_of_a_log_normal() {
        let numbers = |n: usize, by: usize| -> Vec<f32> {
            (0..n).map(|i| (i * by % 17) as f32 / 8.0 - 1.0).collect()
        };
        let (size, group, window, len) = (4, 2, 5, 6);
        let head = Observed {
            positions: (0..len as u32).collect(),
            keys: numbers(len * size, 7),
            values: numbers(len * size, 5),
            queries: numbers(window * group * size, 3),
            head_dim: size,
            group,
            ..Observed::default()
        };
        let found = Expected.of(&head, len, &Params::default());
        let mut weights = vec![0.0; len];
        for g in 0..group {
            let q = |j: usize, d: usize| head.queries[(j * group + g) * size + d];
            let mean: Vec<f32> = (0..size)
                .map(|d| (0..window).map(|j| q(j, d)).sum::<f32>() / window as f32)
                .collect();
            let logit = |i: usize| {
                let k = &head.keys[i * size..][..size];
                let mut quadratic = 0.0;
                for d in 0..size {
                    for e in 0..size {
                        let covariance = (0..window)
                            .map(|j| (q(j, d) - mean[d]) * (q(j, e) - mean[e]))
                            .sum::<f32>()
                            / window as f32;
                        quadratic += k[d] * covariance * k[e];
                    }
                }
                let linear: f32 = mean.iter().zip(k).map(|(m, k)| m * k).sum();
                linear + quadratic / 2.0
            };
            let exponents: Vec<f32> = (0..len).map(|i| logit(i).exp()).collect();
            let sum: f32 = exponents.iter().sum();
            for (weight, e) in weights.iter_mut().zip(exponents) {
                *weight += e / sum / group as f32;
            }
        }
        for (i, (found, weight)) in found.iter().zip(&weights).enumerate() {
            let v = &head.values[i * size..][..size];
            let norm = v.iter().map(|x| x * x).sum::<f32>().sqrt();
            let expected = (weight + 0.02) * norm;
            assert!(
                (found - expected).abs() < 1e-5,
                "{i}: {found} for {expected}"
            );
        }
    }
}
