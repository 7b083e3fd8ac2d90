//! NEON, without the dot-product extension (its intrinsics are not stable): `smlal` into i16.
//!
//! A nibble times an activation is at most 15·127, so the eight products that meet in one i16 lane
//! fit (15,240; with a fifth bit 31,496, and of six bits the four of half a block, 32,004). A byte is
//! centred to i8 first; then only one product fits, and pairs are added in i32:
//! `q·x = (q − 128)·x + 128·x`, of which the last part goes with the offset.

#![allow(unsafe_code, reason = "intrinsics")]

use super::{
    activations::{Panel, Sums},
    dispatch::Tile,
    layout::{BLOCK, Line, Quants, TILE},
    scales::Group,
};
use crate::model::kernels::unaligned;
use std::arch::aarch64::*;

/// See `portable::tile`.
///
/// # Safety
/// The CPU must have NEON.
#[target_feature(enable = "neon")]
pub unsafe fn tile(tile: &Tile<'_>, group: &mut Group, x: Panel<'_>, out: &mut [[f32; TILE]]) {
    let quants = tile.form.quants;
    let centred = matches!(quants, Quants::U8 | Quants::T4(_));
    let halved = quants == Quants::U6;
    let out = &mut out[..x.rows];
    out.as_flattened_mut().fill(0.0);
    let activations = x.q.chunks_exact(x.rows * BLOCK);
    let scales = x.d.chunks_exact(x.rows).zip(x.sum.chunks_exact(x.rows));
    for ((block, q), (d, sum)) in tile.blocks().zip(activations).zip(scales) {
        if block.begins {
            group.plain(tile.form, block.scales);
        }
        let (lines, at) = (block.quants, block.at);
        // Four rows at a time: their weights stay in registers while the activations pass by.
        for four in 0..TILE / 4 {
            let weights = unpack(quants, lines, four);
            let affine = match halved {
                true => [2 * at, 2 * at + 1].map(|half| {
                    let d = four_floats(&group.d[half], four);
                    (d, vmulq_n_f32(d, -32.0))
                }),
                false => [affine(group, at, four, centred); 2],
            };
            let rows = out.iter_mut().zip(q.chunks_exact(BLOCK));
            for ((out, q), (d, sum)) in rows.zip(d.iter().zip(sum)) {
                let dots = match quants {
                    Quants::U4 | Quants::U5 => [dot_nibbles(&weights, q, 0); 2],
                    Quants::U6 => [
                        dot_nibbles(&weights[..4], q, 0),
                        dot_nibbles(&weights[4..], q, 4),
                    ],
                    Quants::U8 | Quants::T4(_) => [dot_bytes(&weights, q); 2],
                };
                let out = &mut out[4 * four..][..4];
                // SAFETY: 4 floats.
                let total = unsafe { vld1q_f32(out.as_ptr()) };
                let total = add(total, dots, &affine, halved, *d, *sum);
                // SAFETY: 4 floats.
                unsafe { vst1q_f32(out.as_mut_ptr(), total) };
            }
        }
    }
}

/// Scales and offsets of four rows, of the halves of a block where they have their own.
type Affine = [(float32x4_t, float32x4_t); 2];

/// `out += d·xd·dot + m·xsum`
#[inline]
#[target_feature(enable = "neon")]
fn add(
    out: float32x4_t,
    dots: [int32x4_t; 2],
    affine: &Affine,
    halved: bool,
    xd: f32,
    sum: Sums,
) -> float32x4_t {
    let add = |out, dot, (d, m): (float32x4_t, float32x4_t), sum| {
        let out = vfmaq_f32(out, vcvtq_f32_s32(dot), vmulq_n_f32(d, xd));
        vfmaq_n_f32(out, m, sum)
    };
    if halved {
        let out = add(out, dots[0], affine[0], sum.first);
        return add(out, dots[1], affine[1], sum.all - sum.first);
    }
    add(out, dots[0], affine[0], sum.all)
}

/// Scales and offsets of four rows; bytes are centred, which moves the offset.
#[inline]
#[target_feature(enable = "neon")]
fn affine(group: &Group, at: usize, four: usize, centred: bool) -> (float32x4_t, float32x4_t) {
    let (d, m) = (
        four_floats(&group.d[at], four),
        four_floats(&group.m[at], four),
    );
    match centred {
        true => (d, vfmaq_n_f32(m, d, 128.0)),
        false => (d, m),
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn four_floats(x: &[f32; TILE], four: usize) -> float32x4_t {
    let x = &x[4 * four..][..4];
    // SAFETY: 4 floats.
    unsafe { vld1q_f32(x.as_ptr()) }
}

/// Rows `4·four..` of a block as i8, `[g]` being columns `4g..4g + 4` of the four rows.
#[inline]
#[target_feature(enable = "neon")]
fn unpack(quants: Quants, lines: &[Line], four: usize) -> [int8x16_t; 8] {
    let load = |line: usize| {
        let bytes = &lines[line].0[16 * four..][..16];
        // SAFETY: 16 bytes.
        unsafe { vld1q_u8(bytes.as_ptr()) }
    };
    let mut all = [vdupq_n_u8(0); 8];
    if quants == Quants::U8 {
        for (g, q) in all.iter_mut().enumerate() {
            *q = veorq_u8(load(g), vdupq_n_u8(0x80));
        }
        return all.map(|q| vreinterpretq_s8_u8(q));
    }
    for g in 0..4 {
        let bytes = load(g);
        all[g] = vandq_u8(bytes, vdupq_n_u8(15));
        all[4 + g] = vshrq_n_u8::<4>(bytes);
    }
    match quants {
        Quants::T4(table) => {
            // SAFETY: 16 bytes.
            let table = unsafe { vld1q_u8(table.quants().as_ptr()) };
            let table = veorq_u8(table, vdupq_n_u8(0x80));
            for q in &mut all {
                *q = vqtbl1q_u8(table, *q);
            }
        }
        Quants::U5 => {
            let bits = load(4);
            for (k, q) in all.iter_mut().enumerate() {
                let set = vtstq_u8(bits, vdupq_n_u8(1 << k));
                *q = vorrq_u8(*q, vandq_u8(set, vdupq_n_u8(16)));
            }
        }
        Quants::U6 => {
            let mask = vdupq_n_u8(48);
            for half in 0..2 {
                let bits = load(4 + half);
                let upper = [
                    vshlq_n_u8::<4>(bits),
                    vshlq_n_u8::<2>(bits),
                    bits,
                    vshrq_n_u8::<2>(bits),
                ];
                for (q, bits) in all[4 * half..].iter_mut().zip(upper) {
                    *q = vorrq_u8(*q, vandq_u8(bits, mask));
                }
            }
        }
        Quants::U4 | Quants::U8 => {}
    }
    all.map(|q| vreinterpretq_s8_u8(q))
}

/// Four activations, twice: for two rows.
#[inline]
#[target_feature(enable = "neon")]
fn broadcast(q: &[i8], g: usize) -> int8x8_t {
    let bytes = &q[4 * g..][..4];
    // SAFETY: 4 bytes.
    vreinterpret_s8_s32(vdup_n_s32(unsafe {
        unaligned::read(bytes.as_ptr().cast::<i32>())
    }))
}

/// Dots of four rows with the activations from group `first` on; the i16 lanes are columns `k mod 4` of
/// rows 0–1 and 2–3.
#[inline]
#[target_feature(enable = "neon")]
fn dot_nibbles(weights: &[int8x16_t], q: &[i8], first: usize) -> int32x4_t {
    let mut low = vdupq_n_s16(0);
    let mut high = vdupq_n_s16(0);
    for (g, weights) in weights.iter().enumerate() {
        let x = broadcast(q, first + g);
        low = vmlal_s8(low, vget_low_s8(*weights), x);
        high = vmlal_s8(high, vget_high_s8(*weights), x);
    }
    vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high))
}

/// As [`dot_nibbles`], widening after every product.
#[inline]
#[target_feature(enable = "neon")]
fn dot_bytes(weights: &[int8x16_t; 8], q: &[i8]) -> int32x4_t {
    let mut low = vdupq_n_s32(0);
    let mut high = vdupq_n_s32(0);
    for (g, weights) in weights.iter().enumerate() {
        let x = broadcast(q, g);
        low = vpadalq_s16(low, vmull_s8(vget_low_s8(*weights), x));
        high = vpadalq_s16(high, vmull_s8(vget_high_s8(*weights), x));
    }
    vpaddq_s32(low, high)
}
