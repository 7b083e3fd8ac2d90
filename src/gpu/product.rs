//! Products of large matrices by a kernel of ours, for drivers without a library for them.

use candle_core::{Error, Result};

use super::args;
use super::driver::{Kernel, Launch, MatMul, Variant};
use super::executor::{Grid, launch};

/// Rows and outputs of a group, as `kernels/product.inl` has them.
const TILE: usize = 64;

/// The launch that computes `product`; `None` where there is nothing to compute.
///
/// # Errors
/// Where a dimension is beyond 32 bits.
pub fn product(product: &MatMul) -> Result<Option<Launch>> {
    let word = |n: usize| u32::try_from(n).map_err(Error::wrap);
    let MatMul { rows, outputs, .. } = *product;
    if rows == 0 || outputs == 0 {
        return Ok(None);
    }
    let arguments = args::Product {
        weight: product.weight,
        x: product.x,
        out: product.out,
        rows: word(rows)?,
        inputs: word(product.inputs)?,
        outputs: word(outputs)?,
        stride: word(product.stride)?,
    };
    let groups = [word(outputs.div_ceil(TILE))?, word(rows.div_ceil(TILE))?, 1];
    let variant = Variant::Of(product.element);
    let grid = Grid::of(groups, 128);
    Ok(Some(launch(Kernel::Product, variant, grid, &arguments)))
}
