//! Weights in bf16, as the right factor of a product of tiles.

#![allow(unsafe_code, reason = "intrinsics")]

use super::LINES;
use crate::model::kernels::packed::{
    avx512::{self, affine},
    dispatch::Tile,
    layout::{LOOKUP, Quants},
    scales::Group,
};
use crate::model::kernels::{
    amx::{
        Unit,
        bf16::{order, pairs},
    },
    region::Line,
};
use std::arch::x86_64::*;

/// Writes the tile's blocks, 16 lines for each: of line `p`, numbers 2r and 2r + 1 are columns 2p and 2p + 1
/// of row r. The unit is proof of what the CPU has.
pub fn unpack(_: &Unit, tile: &Tile, group: &mut Group, to: &mut [Line]) {
    // SAFETY: the unit is there, and with it what these need.
    unsafe {
        match tile.form.quants {
            Quants::U4 => blocks::<4>(tile, group, to),
            Quants::U5 => blocks::<5>(tile, group, to),
            Quants::U6 => blocks::<6>(tile, group, to),
            Quants::U8 => blocks::<8>(tile, group, to),
            Quants::T4(_) => blocks::<LOOKUP>(tile, group, to),
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn blocks<const BITS: u8>(tile: &Tile, group: &mut Group, to: &mut [Line]) {
    let table = tile.form.quants.table();
    let order = order();
    let byte = _mm512_set1_epi32(255);
    for (block, to) in tile.blocks().zip(to.chunks_exact_mut(LINES)) {
        avx512::read(group, tile.form, &block);
        let quants = avx512::unpack::<BITS>(block.quants, table);
        let affine = affine::<BITS>(tile.form, &block, group);
        for (g, (quants, to)) in quants.into_iter().zip(to.chunks_exact_mut(2)).enumerate() {
            let (d, m) = affine[g / 4];
            let m = match BITS {
                6 => _mm512_mul_ps(d, _mm512_set1_ps(-32.0)),
                _ => m,
            };
            let columns = [
                _mm512_and_si512(quants, byte),
                _mm512_and_si512(_mm512_srli_epi32::<8>(quants), byte),
                _mm512_and_si512(_mm512_srli_epi32::<16>(quants), byte),
                _mm512_srli_epi32::<24>(quants),
            ];
            let mut weights = [_mm512_setzero_ps(); 4];
            for (weight, column) in weights.iter_mut().zip(columns) {
                *weight = _mm512_fmadd_ps(_mm512_cvtepi32_ps(column), d, m);
            }
            for (line, pair) in to
                .iter_mut()
                .zip([[weights[0], weights[1]], [weights[2], weights[3]]])
            {
                let pair = pairs(order, pair[0], pair[1]);
                // SAFETY: a line.
                unsafe { _mm512_store_si512(line.0.as_mut_ptr().cast(), pair) };
            }
        }
    }
}
