//! Activations as int8.

#![allow(unsafe_code, reason = "calls what needs CPU features")]

use super::layout::BLOCK;
use super::residue::{self, Residue};
use crate::model::kernels::pool::Pool;
use std::sync::Mutex;

/// Activation rows that a kernel takes at a time.
pub const PANEL: usize = 64;

/// Adding this number rounds to the nearest integer (ties to even), which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// `[m, cols]` activations, `x = d·q` with `|q| ≤ 127` per block of 32 columns of a row.
///
/// Stored in panels of up to [`PANEL`] rows, in the order in which the kernels read them: panel,
/// block, row of the panel, column of the block.
pub struct Activations {
    rows: usize,
    cols: usize,
    q: Vec<i8>,
    d: Vec<f32>,
    sum: Vec<Sums>,
    /// What rounding took from the coarse blocks of each panel.
    residues: Vec<Vec<Residue>>,
}

/// `d` times the exact sum of a block's `q`, which meets the weights' offsets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    pub all: f32,
    /// Of the first 16 columns.
    pub first: f32,
}

/// Up to [`PANEL`] rows of activations.
#[derive(Clone, Copy)]
pub struct Panel<'a> {
    pub rows: usize,
    /// `[blocks, rows, 32]`
    pub q: &'a [i8],
    /// `[blocks, rows]` scales.
    pub d: &'a [f32],
    /// `[blocks, rows]`
    pub sum: &'a [Sums],
}

/// Some blocks of a panel to be filled.
struct Job<'a> {
    first_row: usize,
    first_block: usize,
    rows: usize,
    q: &'a mut [i8],
    d: &'a mut [f32],
    sum: &'a mut [Sums],
}

impl Activations {
    /// Quantises `x`, `[m, cols]`. A block with NaN or infinity in it becomes NaN. See
    /// [`residue::of_panels`] for `coarse`.
    pub fn quantize(pool: &Pool, x: &[f32], cols: usize, coarse: f32) -> Self {
        let rows = x.len() / cols;
        let blocks = cols / BLOCK;
        let mut q = vec![0; x.len()];
        let mut d = vec![0.0; rows * blocks];
        let mut sum = vec![Sums::default(); rows * blocks];

        // About 16 Ki numbers, some microseconds, per job.
        let blocks_per_job = blocks.min((16 << 10) / (BLOCK * rows.min(PANEL)));
        let mut jobs = Vec::with_capacity(rows.div_ceil(PANEL) * blocks.div_ceil(blocks_per_job));
        let (mut q_left, mut d_left, mut sum_left) = (&mut q[..], &mut d[..], &mut sum[..]);
        for first_row in (0..rows).step_by(PANEL) {
            let rows = PANEL.min(rows - first_row);
            for first_block in (0..blocks).step_by(blocks_per_job) {
                let n = rows * blocks_per_job.min(blocks - first_block);
                jobs.push(Mutex::new(Job {
                    first_row,
                    first_block,
                    rows,
                    q: q_left.split_off_mut(..n * BLOCK).unwrap_or_default(),
                    d: d_left.split_off_mut(..n).unwrap_or_default(),
                    sum: sum_left.split_off_mut(..n).unwrap_or_default(),
                }));
            }
        }
        pool.run(jobs.len(), |i| {
            if let Ok(mut job) = jobs[i].lock() {
                job.fill(x, cols);
            }
        });
        drop(jobs);
        let mut all = Activations {
            rows,
            cols,
            q,
            d,
            sum,
            residues: Vec::new(),
        };
        all.residues = residue::of_panels(pool, &all, x, coarse);
        all
    }

    /// Rows, and columns of each.
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// See [`Residue`].
    pub fn residues(&self, index: usize) -> &[Residue] {
        self.residues.get(index).map_or(&[], Vec::as_slice)
    }

    /// Rows `PANEL·index` and following.
    pub fn panel(&self, index: usize) -> Panel<'_> {
        let first = index * PANEL;
        let rows = PANEL.min(self.rows - first);
        let blocks = self.cols / BLOCK;
        Panel {
            rows,
            q: &self.q[first * self.cols..][..rows * self.cols],
            d: &self.d[first * blocks..][..rows * blocks],
            sum: &self.sum[first * blocks..][..rows * blocks],
        }
    }
}

impl Job<'_> {
    fn fill(&mut self, x: &[f32], cols: usize) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has AVX2.
            return unsafe { self.fill_avx2(x, cols) };
        }
        self.fill_plain(x, cols);
    }

    /// The same code for the compiler to vectorise with wider registers.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn fill_avx2(&mut self, x: &[f32], cols: usize) {
        self.fill_plain(x, cols);
    }

    #[inline(always)]
    fn fill_plain(&mut self, x: &[f32], cols: usize) {
        let quants = self.q.chunks_exact_mut(BLOCK);
        for (at, (q, (d, sum))) in quants
            .zip(self.d.iter_mut().zip(&mut *self.sum))
            .enumerate()
        {
            let row = self.first_row + at % self.rows;
            let block = self.first_block + at / self.rows;
            (*d, *sum) = quantize_block(&x[row * cols + block * BLOCK..][..BLOCK], q);
        }
    }
}

/// Fills `q`; returns the scale and the scaled sum.
#[inline(always)]
pub(super) fn quantize_block(x: &[f32], q: &mut [i8]) -> (f32, Sums) {
    // The bits of non-negative floats are ordered like the floats, and NaN is above infinity.
    let max = x
        .iter()
        .fold(0, |max, x| max.max(x.to_bits() & 0x7fff_ffff));
    let max = f32::from_bits(max);
    if !max.is_finite() {
        q.fill(0);
        let (all, first) = (f32::NAN, f32::NAN);
        return (f32::NAN, Sums { all, first });
    }
    if max < 1e-30 {
        q.fill(0);
        return (0.0, Sums::default());
    }
    let inverse = 127.0 / max;
    let half = |x: &[f32], q: &mut [i8]| {
        let mut sum = 0;
        for (q, x) in q.iter_mut().zip(x) {
            let rounded = (x * inverse + ROUND)
                .to_bits()
                .wrapping_sub(ROUND.to_bits()) as i32;
            *q = rounded as i8;
            sum += rounded;
        }
        sum
    };
    let (x, second_x) = x.split_at(BLOCK / 2);
    let (q, second_q) = q.split_at_mut(BLOCK / 2);
    let (first, second) = (half(x, q), half(second_x, second_q));
    let d = max / 127.0;
    let sums = Sums {
        all: d * (first + second) as f32,
        first: d * first as f32,
    };
    (d, sums)
}
