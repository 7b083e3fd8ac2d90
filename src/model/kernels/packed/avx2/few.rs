//! Decoding by AVX2.

#![allow(unsafe_code, reason = "intrinsics")]

use super::super::{
    activations::Panel,
    dispatch::Tile,
    layout::{BLOCK, TILE},
    scales::Group,
};
use super::{
    affine, bytes, dots_of_bytes, dots_of_nibbles, fitting, looked_up, prefetch, read, scale,
};
use crate::model::kernels::unaligned;
use std::arch::x86_64::*;

/// Decoding: the sums of `N` activation rows stay in registers and weights are unpacked once.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub fn few<const BITS: u8, const N: usize>(
    tile: &Tile<'_>,
    group: &mut Group,
    x: Panel<'_>,
    out: &mut [[f32; TILE]],
) {
    let looked = looked_up(tile.form.quants.table());
    let mut total = [[_mm256_setzero_ps(); N]; 2];
    let activations = x.q.chunks_exact(N * BLOCK);
    let scales = x.d.chunks_exact(N).zip(x.sum.chunks_exact(N));
    for ((block, q), (d, sum)) in tile.blocks().zip(activations).zip(scales) {
        if block.begins {
            prefetch(block.scales);
        }
        let lines = block.quants;
        prefetch(lines);
        read(group, tile.form, &block);
        for (half, total) in total.iter_mut().enumerate() {
            let affine = affine::<BITS>(tile.form, &block, group, half);
            let weights = match fitting(BITS) {
                0 => [_mm256_setzero_si256(); 8],
                _ => bytes::<BITS>(lines, half),
            };
            for n in 0..N {
                let q = &q[n * BLOCK..][..BLOCK];
                let dots = match fitting(BITS) {
                    0 => [dots_of_nibbles::<BITS>(lines, half, looked, q); 2],
                    _ => dots_of_bytes::<BITS>(&weights, q, &sum[n].centre),
                };
                total[n] = scale::<BITS>(total[n], dots, &affine, d[n], sum[n]);
            }
        }
    }
    for (n, out) in out.iter_mut().enumerate().take(N) {
        // SAFETY: 16 floats.
        unsafe {
            unaligned::write(out.as_mut_ptr().cast::<__m256>(), total[0][n]);
            unaligned::write(out.as_mut_ptr().add(8).cast::<__m256>(), total[1][n]);
        }
    }
}
