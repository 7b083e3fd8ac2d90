//! Activations as int8.

#![allow(unsafe_code, reason = "calls what needs CPU features")]

use super::layout::BLOCK;
use super::quantize;
use super::residue::{self, Residue};
use crate::model::kernels::pool::Pool;
use std::sync::Mutex;

/// Activation rows that a kernel takes at a time.
pub const PANEL: usize = 64;

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

/// What of a block's `q` meets the weights' offsets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    /// `d` times the exact sum.
    pub all: f32,
    /// The same of the first 16 columns.
    pub first: f32,
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "of AVX2"))]
    pub centre: Centre,
}

/// −32 times sums of a block's `q`, of the first 16 columns and of the others: those of which the place
/// is 0 or 1 in its four, and 2 or 3. In the lanes of AVX2's 16-bit sums, it is what 6-bit weights are
/// centred by.
pub type Centre = [[i16; 2]; 2];

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
        self.fill_by(x, cols, quantize::block);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn fill_avx2(&mut self, x: &[f32], cols: usize) {
        self.fill_by(x, cols, |x, q| quantize::avx2(x, q));
    }

    #[inline(always)]
    fn fill_by(
        &mut self,
        x: &[f32],
        cols: usize,
        quantize: impl Fn(&quantize::Numbers, &mut [i8; BLOCK]) -> quantize::Known,
    ) {
        let q = self.q.as_chunks_mut::<BLOCK>().0;
        let blocks = self.first_block..self.first_block + q.len() / self.rows;
        let rows = x[self.first_row * cols..].chunks_exact(cols);
        // Read in order, written here and there: a processor waits for what it reads.
        for (row, x) in rows.take(self.rows).enumerate() {
            let x = &x.as_chunks().0[blocks.clone()];
            for (block, x) in x.iter().enumerate() {
                let at = block * self.rows + row;
                (self.d[at], self.sum[at]) = quantize(x, &mut q[at]);
            }
        }
    }
}
