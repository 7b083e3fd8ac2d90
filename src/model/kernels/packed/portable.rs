//! The kernel that every other one must agree with.

use super::{
    activations::Panel,
    dispatch::Tile,
    layout::{BLOCK, Scales, TILE},
    scales::Group,
};

/// Calls `see` with each block of the tile, its quants `[row][column]`, and scale and offset of each
/// row's first and second half.
fn each(
    tile: &Tile,
    group: &mut Group,
    mut see: impl FnMut(usize, &dyn Fn(usize) -> [u8; BLOCK], [[(f32, f32); TILE]; 2]),
) {
    for (i, block) in tile.blocks().enumerate() {
        if block.begins {
            group.plain(tile.form, block.scales);
        }
        let at = block.at;
        let affine = match tile.form.scales {
            Scales::Halves => [2 * at, 2 * at + 1].map(|h| group.d[h].map(|d| (d, -32.0 * d))),
            _ => [std::array::from_fn(|r| (group.d[at][r], group.m[at][r])); 2],
        };
        see(i, &|row| tile.form.quants.load(row, block.quants), affine);
    }
}

/// `out[i][r]`: activation row `i` of the panel times row `r` of the tile.
pub fn tile(tile: &Tile, group: &mut Group, x: Panel<'_>, out: &mut [[f32; TILE]]) {
    out.as_flattened_mut().fill(0.0);
    each(tile, group, |b, quants, [first, second]| {
        for r in 0..TILE {
            let weights = quants(r);
            for (i, out) in out.iter_mut().enumerate() {
                let at = b * x.rows + i;
                let pairs = weights.iter().zip(&x.q[at * BLOCK..][..BLOCK]);
                let products = pairs.map(|(w, x)| i32::from(*w) * i32::from(*x));
                let all: i32 = products.clone().sum();
                let (d, sum) = (x.d[at], x.sum[at]);
                if tile.form.scales == Scales::Halves {
                    let of_first: i32 = products.take(BLOCK / 2).sum();
                    out[r] += first[r].0 * d * of_first as f32 + first[r].1 * sum.first;
                    out[r] += second[r].0 * d * (all - of_first) as f32;
                    out[r] += second[r].1 * (sum.all - sum.first);
                } else {
                    out[r] += first[r].0 * d * all as f32 + first[r].1 * sum.all;
                }
            }
        }
    });
}

/// The weights of row `row` of a tile.
pub fn row(tile: &Tile, row: usize, out: &mut [f32]) {
    each(tile, &mut Group::empty(), |b, quants, affine| {
        for (k, q) in quants(row).into_iter().enumerate() {
            let (d, m) = affine[k / (BLOCK / 2)][row];
            out[b * BLOCK + k] = d * f32::from(q) + m;
        }
    });
}
