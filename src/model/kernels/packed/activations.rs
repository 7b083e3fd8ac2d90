//! Activations as int8.

use super::layout::BLOCK;
use crate::model::kernels::pool::Pool;

/// Adding and taking away this number rounds to the nearest integer (ties to even), and after adding
/// it the integer stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// `[m, cols]` activations, `x = d·q` with `|q| ≤ 127` per block of 32.
pub struct Activations {
    pub cols: usize,
    /// `[m, cols]`
    pub q: Vec<i8>,
    /// `[m, cols / 32]` scales.
    pub d: Vec<f32>,
    /// `[m, cols / 32]`: `d` times the block's sum of `q`, which meets the weights' offsets.
    pub sum: Vec<f32>,
}

impl Activations {
    pub fn quantize(pool: &Pool, x: &[f32], cols: usize) -> Self {
        let mut q = vec![0; x.len()];
        let mut d = vec![0.0; x.len() / BLOCK];
        let mut sum = vec![0.0; x.len() / BLOCK];
        /// Some 16 KiB of activations, a few microseconds.
        const CHUNK: usize = 4096 / BLOCK;
        if x.len() / BLOCK <= CHUNK {
            quantize_blocks(x, &mut q, &mut d, &mut sum);
        } else {
            let parts: Vec<_> = x
                .chunks(CHUNK * BLOCK)
                .zip(q.chunks_mut(CHUNK * BLOCK))
                .zip(d.chunks_mut(CHUNK).zip(sum.chunks_mut(CHUNK)))
                .map(|((x, q), (d, sum))| std::sync::Mutex::new((x, q, d, sum)))
                .collect();
            pool.run(parts.len(), |i| {
                if let Ok(mut part) = parts[i].lock() {
                    let (x, q, d, sum) = &mut *part;
                    quantize_blocks(x, q, d, sum);
                }
            });
        }
        Activations { cols, q, d, sum }
    }

    /// Blocks per row.
    pub fn blocks(&self) -> usize {
        self.cols / BLOCK
    }
}

fn quantize_blocks(x: &[f32], q: &mut [i8], d: &mut [f32], sum: &mut [f32]) {
    let blocks = x.chunks_exact(BLOCK).zip(q.chunks_exact_mut(BLOCK));
    for ((x, q), (d, sum)) in blocks.zip(d.iter_mut().zip(sum)) {
        (*d, *sum) = quantize_block(x, q);
    }
}

/// A block with NaN or infinity gets the scale NaN, so that it is not hidden.
fn quantize_block(x: &[f32], q: &mut [i8]) -> (f32, f32) {
    // The bits of non-negative floats are ordered like the floats, and NaN is above infinity.
    let max = x
        .iter()
        .fold(0, |max, x| max.max(x.to_bits() & 0x7fff_ffff));
    let max = f32::from_bits(max);
    if !max.is_finite() {
        q.fill(0);
        return (f32::NAN, f32::NAN);
    }
    if max < 1e-30 {
        q.fill(0);
        return (0.0, 0.0);
    }
    let inverse = 127.0 / max;
    let mut sum = 0;
    for (q, x) in q.iter_mut().zip(x) {
        let rounded = (x * inverse + ROUND)
            .to_bits()
            .wrapping_sub(ROUND.to_bits()) as i32;
        *q = rounded as i8;
        sum += rounded;
    }
    let d = max / 127.0;
    (d, d * sum as f32)
}
