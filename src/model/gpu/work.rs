//! What the executor works with while it reads, known before anything is loaded.

use crate::model::description::Description;
use crate::model::shape::LayerShape;

/// Rows of a block: enough to keep the device busy, few enough to stop soon.
pub fn block_rows(d: &Description) -> usize {
    const MACS: usize = 400_000_000_000;
    let rows = MACS / d.layer_macs().max(1);
    rows.clamp(512, 2048).next_multiple_of(64)
}

/// Bytes of buffers for each row of a block. Freed ones are kept for others of their size, so that it is not what is
/// in use at once that counts, but of each size the most.
pub fn row_bytes(d: &Description, exact: bool) -> usize {
    let of = |layer: &LayerShape| {
        let (q, kv) = layer.attention().map_or((0, 0), |a| a.widths());
        let (hidden, mlp) = (d.hidden, layer.mlp_width());
        // Normed rows, queries, what attention says, and the product of that; in the MLP one less.
        let like_stream = match q == hidden {
            true => 4 * hidden,
            false => 3 * hidden + 2 * q,
        };
        let floats = like_stream + (q + 2 * kv) + 3 * mlp;
        // Rows before a product in the weights' type.
        let halves = match exact {
            true => 0,
            false => hidden + mlp + if q == hidden { 0 } else { q },
        };
        4 * floats + 2 * halves
    };
    d.layers.iter().map(of).max().unwrap_or(0)
}

/// Bytes for each token of a layer that is judged: its scores, and what they are made of.
pub fn judged_bytes(d: &Description) -> usize {
    let of = |layer: &LayerShape| layer.attention().map_or(0, |a| 8 * (a.heads + a.kv_heads));
    d.layers.iter().map(of).max().unwrap_or(0)
}

/// Bytes into which a matrix of so many elements is unpacked before many rows go through it.
pub fn unpacked_bytes(elements: usize) -> usize {
    (2 * elements).min(super::linear::PIECE)
}
