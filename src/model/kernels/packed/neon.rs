//! NEON, without the dot-product extension (its intrinsics are not stable): `smlal` into i16.
//!
//! A nibble times an activation is at most 15·127, so the eight products that meet in one i16 lane
//! fit (15,240; with a fifth bit 31,496). A byte is centred to i8 first; then only one product fits, and pairs are added in
//! i32: `q·x = (q − 128)·x + 128·x`, of which the last part goes with the offset.

#![allow(unsafe_code, reason = "intrinsics")]

use super::{
    activations::Panel,
    layout::{BLOCK, Form, Line, TILE},
};
use std::arch::aarch64::*;

/// See `portable::tile`.
///
/// # Safety
/// The CPU must have NEON.
#[target_feature(enable = "neon")]
pub unsafe fn tile(form: Form, lines: &[Line], x: Panel<'_>, out: &mut [[f32; TILE]]) {
    let out = &mut out[..x.rows];
    out.as_flattened_mut().fill(0.0);
    let activations = x.q.chunks_exact(x.rows * BLOCK);
    let scales = x.d.chunks_exact(x.rows).zip(x.sum.chunks_exact(x.rows));
    for ((lines, q), (d, sum)) in lines
        .chunks_exact(form.lines())
        .zip(activations)
        .zip(scales)
    {
        let affine = affine(form, &lines[0]);
        // Four rows at a time: their weights stay in registers while the activations pass by.
        for four in 0..TILE / 4 {
            let weights = unpack(form, lines, four);
            let (wd, wm) = (four_floats(&affine.0, four), four_floats(&affine.1, four));
            let rows = out.iter_mut().zip(q.chunks_exact(BLOCK));
            for ((out, q), (d, sum)) in rows.zip(d.iter().zip(sum)) {
                let dot = match form {
                    Form::U4 | Form::U5 => dot_nibbles(&weights, q),
                    Form::U8 | Form::T4(_) => dot_bytes(&weights, q),
                };
                let out = &mut out[4 * four..][..4];
                // SAFETY: 4 floats.
                unsafe {
                    let total = vld1q_f32(out.as_ptr());
                    let total = vfmaq_f32(total, vcvtq_f32_s32(dot), vmulq_n_f32(wd, *d));
                    vst1q_f32(out.as_mut_ptr(), vfmaq_n_f32(total, wm, *sum));
                }
            }
        }
    }
}

/// Scales and offsets of the 16 rows; bytes are centred, which moves the offset.
#[inline]
fn affine(form: Form, line: &Line) -> ([f32; TILE], [f32; TILE]) {
    let half = |at: usize| half::f16::from_le_bytes([line.0[at], line.0[at + 1]]).to_f32();
    let d: [f32; TILE] = std::array::from_fn(|r| half(2 * r));
    let m = std::array::from_fn(|r| {
        let m = half(2 * (TILE + r));
        match form {
            Form::U4 | Form::U5 => m,
            Form::U8 | Form::T4(_) => m + 128.0 * d[r],
        }
    });
    (d, m)
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
fn unpack(form: Form, lines: &[Line], four: usize) -> [int8x16_t; 8] {
    let mut quants = [vdupq_n_s8(0); 8];
    // SAFETY: 16 bytes.
    let table = unsafe { vld1q_u8(form.table().as_ptr()) };
    let table = veorq_u8(table, vdupq_n_u8(0x80));
    for (g, line) in lines[1..].iter().enumerate().take(8) {
        let bytes = &line.0[16 * four..][..16];
        // SAFETY: 16 bytes.
        let bytes = unsafe { vld1q_u8(bytes.as_ptr()) };
        match form {
            Form::T4(_) => {
                let low = vandq_u8(bytes, vdupq_n_u8(15));
                quants[g & 3] = vreinterpretq_s8_u8(vqtbl1q_u8(table, low));
                let high = vshrq_n_u8::<4>(bytes);
                quants[4 + (g & 3)] = vreinterpretq_s8_u8(vqtbl1q_u8(table, high));
            }
            Form::U4 | Form::U5 if g < 4 => {
                quants[g & 3] = vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15)));
                quants[4 + (g & 3)] = vreinterpretq_s8_u8(vshrq_n_u8::<4>(bytes));
            }
            Form::U4 | Form::U5 => {
                for (k, q) in quants.iter_mut().enumerate() {
                    let set = vtstq_u8(bytes, vdupq_n_u8(1 << k));
                    let fifth = vreinterpretq_s8_u8(vandq_u8(set, vdupq_n_u8(16)));
                    *q = vorrq_s8(*q, fifth);
                }
            }
            Form::U8 => quants[g] = vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(0x80))),
        }
    }
    quants
}

/// Four activations, twice: for two rows.
#[inline]
#[target_feature(enable = "neon")]
fn broadcast(q: &[i8], g: usize) -> int8x8_t {
    let bytes = &q[4 * g..][..4];
    // SAFETY: 4 bytes.
    vreinterpret_s8_s32(vdup_n_s32(unsafe {
        bytes.as_ptr().cast::<i32>().read_unaligned()
    }))
}

/// Dots of four rows; the i16 lanes are columns `k mod 4` of rows 0–1 and 2–3.
#[inline]
#[target_feature(enable = "neon")]
fn dot_nibbles(weights: &[int8x16_t; 8], q: &[i8]) -> int32x4_t {
    let mut low = vdupq_n_s16(0);
    let mut high = vdupq_n_s16(0);
    for (g, weights) in weights.iter().enumerate() {
        let x = broadcast(q, g);
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
