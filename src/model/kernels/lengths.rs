//! How long rows are behind a projection. What they are there is never written down: a panel of outputs
//! stays in registers while a row goes through it, and only the sum of its magnitudes is kept.

#![allow(unsafe_code, reason = "calls what needs CPU features")]

use super::{pool::Pool, shared::Chunks, vectorised::vectorised};

/// Outputs of a panel: what registers hold.
const PANEL: usize = 64;
/// Rows per item of the pool: some hundred microseconds.
const ROWS: usize = 64;

/// A matrix in panels of outputs, `[panel, input, output of the panel]`, the last filled up with zeros.
pub struct Projection {
    inputs: usize,
    panels: Vec<[f32; PANEL]>,
}

impl Projection {
    /// Of the weights of each output, `inputs` of them.
    pub fn new<'a>(inputs: usize, outputs: impl Iterator<Item = &'a [f32]>) -> Self {
        let mut panels: Vec<[f32; PANEL]> = Vec::new();
        for (at, weights) in outputs.enumerate() {
            if at.is_multiple_of(PANEL) {
                panels.resize(panels.len() + inputs, [0.0; PANEL]);
            }
            let first = at / PANEL * inputs;
            for (panel, weight) in panels[first..].iter_mut().zip(weights) {
                panel[at % PANEL] = *weight;
            }
        }
        Projection { inputs, panels }
    }

    /// `‖W x‖₁` of each row of `x`, `[rows, inputs]`, alike whatever rows stand beside it.
    pub fn lengths(&self, pool: &Pool, x: &[f32]) -> Vec<f32> {
        let inputs = self.inputs.max(1);
        let mut out = vec![0.0; x.len() / inputs];
        let pieces = out.len().div_ceil(ROWS);
        let chunks = Chunks::new(&mut out, ROWS);
        pool.run(pieces, |i| {
            if let Some(out) = chunks.claim(i) {
                let x = &x[i * ROWS * inputs..][..out.len() * inputs];
                add_lengths(x, &self.panels, inputs, out);
            }
        });
        out
    }
}

vectorised! {
    fn add_lengths(x: &[f32], panels: &[[f32; PANEL]], inputs: usize, out: &mut [f32]) {
        for panel in panels.chunks_exact(inputs) {
            for (x, out) in x.chunks_exact(inputs).zip(out.iter_mut()) {
                let mut y = [0.0f32; PANEL];
                for (x, weights) in x.iter().zip(panel) {
                    for (y, weight) in y.iter_mut().zip(weights) {
                        *y += x * weight;
                    }
                }
                let mut sums = [0.0f32; 8];
                for y in y.as_chunks::<8>().0 {
                    for (sum, y) in sums.iter_mut().zip(y) {
                        *sum += y.abs();
                    }
                }
                *out += sums.iter().sum::<f32>();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random::Random;

    #[test]
    fn they_are_those_of_the_rows_written_out() {
        let pool = Pool::new(2);
        let mut random = Random::new(5);
        let many = if cfg!(miri) {
            (9, 48, 20)
        } else {
            (200, 48, 130)
        };
        for (rows, inputs, outputs) in [(1, 4, 3), (7, 64, 64), many, (0, 8, 8)] {
            let mut normal = |n: usize| (0..n).map(|_| random.normal()).collect::<Vec<f32>>();
            let (x, w) = (normal(rows * inputs), normal(outputs * inputs));
            let projection = Projection::new(inputs, w.chunks_exact(inputs));
            let found = projection.lengths(&pool, &x);
            assert_eq!(found.len(), rows);
            for (x, found) in x.chunks_exact(inputs).zip(&found) {
                let output = |w: &[f32]| -> f64 {
                    let products = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w));
                    products.sum::<f64>().abs()
                };
                let expected: f64 = w.chunks_exact(inputs).map(output).sum();
                let off = (f64::from(*found) - expected).abs();
                assert!(off < 1e-5 * expected, "{found} for {expected}");
            }
            // A row alone is the same, bit for bit.
            let last = x.len() - inputs.min(x.len());
            assert_eq!(
                projection.lengths(&pool, &x[last..]),
                found[rows.saturating_sub(1)..]
            );
        }
    }
}
