//! The kernel that every other one must agree with.

use super::{
    activations::Activations,
    layout::{BLOCK, Block, Form, Line, TILE},
};

/// `out[i][r]`: activation row `first + i` times row `r` of the tile.
pub fn tile(form: Form, lines: &[Line], x: &Activations, first: usize, out: &mut [[f32; TILE]]) {
    let blocks = x.blocks();
    for row in out.iter_mut() {
        row.fill(0.0);
    }
    for (b, lines) in lines.chunks_exact(form.lines()).enumerate() {
        for r in 0..TILE {
            let weights = Block::load(form, r, lines);
            let (d, m) = (weights.d.to_f32(), weights.m.to_f32());
            for (i, out) in out.iter_mut().enumerate() {
                let row = first + i;
                let q = &x.q[row * x.cols + b * BLOCK..][..BLOCK];
                let dot: i32 = weights
                    .q
                    .iter()
                    .zip(q)
                    .map(|(w, x)| i32::from(*w) * i32::from(*x))
                    .sum();
                let at = row * blocks + b;
                out[r] += d * x.d[at] * dot as f32 + m * x.sum[at];
            }
        }
    }
}
