//! The product: which tiles meet which activation rows, on which thread.

#![allow(unsafe_code, reason = "threads write disjoint columns of one output")]

use super::{
    PackedMatrix, Part,
    activations::{Activations, PANEL},
    dispatch::{Kernel, Tile},
    layout::TILE,
    residue,
    scales::Group,
};
use crate::model::kernels::{amx, pool::Pool, shares::in_shares};

/// Multiply-adds per item of the pool, at least: about a microsecond.
const ITEM_MACS: usize = 1 << 16;
/// Items per thread, at most (if they are no smaller): so many that threads of unequal speed end together.
const ITEMS_PER_THREAD: usize = 32;

/// Where threads write disjoint elements of the output.
pub(super) struct Output(pub *mut f32);

// SAFETY: every item writes its own (activation rows × weight rows) rectangle.
unsafe impl Sync for Output {}

impl PackedMatrix {
    /// `out[m, rows] = x[m, cols] · Wᵀ`, the activations quantised to int8 per 32 columns.
    ///
    /// A NaN or infinity in a row of `x` makes that row of `out` NaN.
    ///
    /// # Panics
    /// When `x` is not `[m, cols]` or `out` not `[m, rows]`.
    pub fn matmul(&self, pool: &Pool, x: &[f32], out: &mut [f32]) {
        self.matmul_with(Kernel::best(), pool, x, out);
    }

    /// [`PackedMatrix::matmul`] that takes so much of the activations.
    ///
    /// # Panics
    /// As there.
    pub fn matmul_in(&self, precision: Precision, pool: &Pool, x: &[f32], out: &mut [f32]) {
        let matrix = self;
        products(pool, &mut [Product { matrix, x, out }], precision);
    }

    /// [`PackedMatrix::matmul`] by a certain kernel, for tests and benches.
    ///
    /// # Panics
    /// As there.
    pub fn matmul_with(&self, kernel: Kernel, pool: &Pool, x: &[f32], out: &mut [f32]) {
        let matrix = self;
        together(
            kernel,
            pool,
            &mut [Product { matrix, x, out }],
            residue::COARSE,
        );
    }
}

/// `out[m, rows] = x[m, cols] · Wᵀ`, to be made.
pub struct Product<'a> {
    pub matrix: &'a PackedMatrix,
    pub x: &'a [f32],
    pub out: &'a mut [f32],
}

impl Product<'_> {
    /// How many rows of activations there are.
    ///
    /// # Panics
    /// When `x` is not `[m, cols]` or `out` not `[m, rows]`.
    pub(super) fn rows(&self) -> usize {
        assert!(
            self.x.len().is_multiple_of(self.matrix.cols),
            "x must be [m, cols]"
        );
        let m = self.x.len() / self.matrix.cols;
        assert_eq!(
            self.out.len(),
            m * self.matrix.rows,
            "out must be [m, rows]"
        );
        m
    }
}

/// What is taken of activations. A row comes to the same whatever rows are multiplied with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 8 bits per step of 32 columns, and a second term where the step is coarse: for few rows, where
    /// reading the weights is what takes time.
    #[default]
    Eight,
    /// Two terms of 8 bits: for short prompts.
    Sixteen,
    /// For many rows: bf16 where the CPU has a matrix unit for it (AMX), else as [`Precision::Eight`].
    Many,
}

impl Precision {
    /// Whether [`Precision::Many`] differs here from [`Precision::Eight`].
    pub fn many_is_bf16() -> bool {
        amx::available()
    }
}

/// [`PackedMatrix::matmul`] of many at once, which keeps all threads busy where each is small.
///
/// # Panics
/// As there.
pub fn products(pool: &Pool, products: &mut [Product], precision: Precision) {
    match precision {
        // SAFETY: the CPU has the unit.
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        Precision::Many if amx::available() => unsafe { super::bf16::products(pool, products) },
        Precision::Sixteen => together(Kernel::best(), pool, products, 0.0),
        _ => together(Kernel::best(), pool, products, residue::COARSE),
    }
}

/// A panel of activations times some tiles of a part.
struct Item<'a> {
    product: usize,
    part: &'a Part,
    /// The part's first row in its matrix.
    first_row: usize,
    tiles: std::ops::Range<usize>,
    panel: usize,
}

fn together(kernel: Kernel, pool: &Pool, products: &mut [Product], coarse: f32) {
    let mut inputs = Vec::with_capacity(products.len());
    let mut all_tiles = 0;
    for product in products {
        let m = product.rows();
        let Product { matrix, x, out } = product;
        let output = Output(out.as_mut_ptr());
        let matrix: &PackedMatrix = matrix;
        if matrix.rows > 0 && m > 0 {
            let x = Activations::quantize(pool, x, matrix.cols, coarse);
            all_tiles += matrix.rows.div_ceil(TILE) * m.div_ceil(PANEL);
            inputs.push((matrix, m, x, output));
        }
    }
    let even = all_tiles / (ITEMS_PER_THREAD * pool.threads());
    let mut items = Vec::new();
    for (product, (matrix, m, ..)) in inputs.iter().enumerate() {
        let chunk = even.max(ITEM_MACS.div_ceil(TILE * matrix.cols * m.min(&PANEL)));
        let mut first_row = 0;
        for part in &matrix.parts {
            for first in (0..part.tiles()).step_by(chunk) {
                let tiles = first..part.tiles().min(first + chunk);
                items.extend((0..m.div_ceil(PANEL)).map(|panel| Item {
                    product,
                    part,
                    first_row,
                    tiles: tiles.clone(),
                    panel,
                }));
            }
            first_row += part.rows;
        }
    }
    in_shares(pool, items.len(), |i| {
        let item = &items[i];
        let (matrix, _, x, output) = &inputs[item.product];
        item.run(kernel, matrix, x, output);
    });
}

impl Item<'_> {
    fn run(&self, kernel: Kernel, matrix: &PackedMatrix, x: &Activations, output: &Output) {
        let (part, panel) = (self.part, self.panel);
        let residues = x.residues(panel);
        let x = x.panel(panel);
        let most = residues.iter().map(|r| r.rows.len()).max();
        let mut more = vec![[0.0; TILE]; most.unwrap_or(0)];
        let mut scratch = [[0.0; TILE]; PANEL];
        let scratch = &mut scratch[..x.rows];
        let mut group = Group::empty();
        for tile in self.tiles.clone() {
            let whole = part.tile(tile, matrix.cols);
            (kernel.tile)(&whole, &mut group, x, scratch);
            for residue in residues {
                let more = &mut more[..residue.rows.len()];
                let blocks = residue.block..residue.block + 1;
                let block = Tile {
                    blocks,
                    ..whole.clone()
                };
                (kernel.tile)(&block, &mut group, residue.panel(), more);
                for (&row, more) in residue.rows.iter().zip(&*more) {
                    let sums = scratch[usize::from(row)].iter_mut();
                    sums.zip(more).for_each(|(sum, more)| *sum += more);
                }
            }
            let row = self.first_row + tile * TILE;
            let valid = TILE.min(part.rows - tile * TILE);
            for (i, values) in scratch.iter().enumerate() {
                // SAFETY: the panel's rows are below `m` and `row + valid <= rows`, so this is
                // inside the product's `out`, which is borrowed for the call, and no other item has
                // the same product, tile and panel.
                unsafe {
                    let to = output.0.add((panel * PANEL + i) * matrix.rows + row);
                    match valid {
                        // Of a known length it is two moves and no call.
                        TILE => to.cast::<[f32; TILE]>().write_unaligned(*values),
                        _ => std::ptr::copy_nonoverlapping(values.as_ptr(), to, valid),
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::quantized::GgmlDType;

    /// Bit for bit: the order of additions is a tile's own.
    #[test]
    fn products_together_equal_each_alone() {
        let pool = Pool::new(3);
        let noise = |n: usize| -> Vec<f32> {
            let noise = |i: usize| ((i * 7919 + 13) % 2003) as f32 / 1001.0 - 1.0;
            (0..n).map(noise).collect()
        };
        let matrix = |rows: usize, cols: usize| {
            let bytes: Vec<u8> = noise(rows * cols)
                .iter()
                .flat_map(|x| x.to_le_bytes())
                .collect();
            PackedMatrix::from_ggml(GgmlDType::F32, rows, cols, &bytes).unwrap()
        };
        // More rows than a panel has; a checker of memory gets through few (`.ci/run miri`).
        let sizes = match cfg!(miri) {
            true => [(17, 32, 1), (16, 32, 2), (16, 64, 0), (33, 32, 3)],
            false => [(96, 64, 1), (33, 32, 70), (16, 96, 0), (200, 64, 3)],
        };
        let matrices = sizes.map(|(rows, cols, _)| matrix(rows, cols));
        let inputs = sizes.map(|(_, cols, m)| noise(m * cols));
        use Precision::{Eight, Many, Sixteen};
        for precision in [Eight, Sixteen, Many] {
            let mut found = sizes.map(|(rows, _, m)| vec![f32::NAN; rows * m]);
            let all = matrices.iter().zip(&inputs).zip(&mut found);
            let mut all: Vec<_> = all
                .map(|((matrix, x), out)| Product { matrix, x, out })
                .collect();
            products(&pool, &mut all, precision);
            for ((matrix, x), found) in matrices.iter().zip(&inputs).zip(found) {
                let mut alone = vec![f32::NAN; found.len()];
                matrix.matmul_in(precision, &pool, x, &mut alone);
                assert_eq!(found, alone);
            }
        }
    }
}
