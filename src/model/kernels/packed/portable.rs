//! The kernel that every other one must agree with.

use super::{
    activations::Panel,
    layout::{BLOCK, Block, Form, Line, TILE},
};

/// `out[i][r]`: activation row `i` of the panel times row `r` of the tile.
pub fn tile(form: Form, lines: &[Line], x: Panel<'_>, out: &mut [[f32; TILE]]) {
    out.as_flattened_mut().fill(0.0);
    for (b, lines) in lines.chunks_exact(form.lines()).enumerate() {
        for r in 0..TILE {
            let weights = Block::load(form, r, lines);
            let (d, m) = (weights.d.to_f32(), weights.m.to_f32());
            for (i, out) in out.iter_mut().enumerate() {
                let at = b * x.rows + i;
                let q = &x.q[at * BLOCK..][..BLOCK];
                let dot: i32 = weights
                    .q
                    .iter()
                    .zip(q)
                    .map(|(w, x)| i32::from(*w) * i32::from(*x))
                    .sum();
                out[r] += d * x.d[at] * dot as f32 + m * x.sum[at];
            }
        }
    }
}
