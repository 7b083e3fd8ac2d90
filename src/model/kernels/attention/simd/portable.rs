//! Four lanes as arrays, which LLVM turns into SSE2 or NEON registers.

#![allow(unsafe_code, reason = "implements the trait's loads and stores")]

use super::{Pairs, Simd};
use crate::cache::KvElement;
use crate::model::kernels::attention::gemm::{self, Gemm};
use crate::model::kernels::unaligned;
use half::{bf16, f16};

const N: usize = 4;

#[derive(Clone, Copy)]
pub(super) struct Portable;

#[inline(always)]
fn zip(a: [f32; N], b: [f32; N], f: impl Fn(f32, f32) -> f32) -> [f32; N] {
    let mut out = [0.0; N];
    for i in 0..N {
        out[i] = f(a[i], b[i]);
    }
    out
}

/// half's own conversion asks for the CPU's features every time.
#[inline(always)]
fn widen(h: f16) -> f32 {
    let bits = u32::from(h.to_bits());
    let magnitude = (bits & 0x7fff) << 13;
    // Times 2^112 moves the exponent and makes subnormals normal; infinities and NaN by hand.
    let scaled = (f32::from_bits(magnitude) * f32::from_bits(0x7780_0000)).to_bits();
    let special = if bits & 0x7c00 == 0x7c00 {
        0x7f80_0000
    } else {
        0
    };
    f32::from_bits(scaled | special | (bits & 0x8000) << 16)
}

impl Simd for Portable {
    type V = [f32; N];
    const LANES: usize = N;
    const WIDE: bool = false;

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; N] {
        [x; N]
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> [f32; N] {
        // SAFETY: the caller's promise.
        unsafe { unaligned::read(p.cast::<[f32; N]>()) }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const f16) -> [f32; N] {
        // SAFETY: the caller's promise.
        let h = unsafe { unaligned::read(p.cast::<[f16; N]>()) };
        let mut out = [0.0; N];
        for i in 0..N {
            out[i] = widen(h[i]);
        }
        out
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const bf16) -> [f32; N] {
        // SAFETY: the caller's promise.
        let h = unsafe { unaligned::read(p.cast::<[bf16; N]>()) };
        h.map(|h| f32::from_bits(u32::from(h.to_bits()) << 16))
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: [f32; N]) {
        // SAFETY: the caller's promise.
        unsafe { unaligned::write(p.cast::<[f32; N]>(), v) }
    }
    #[inline(always)]
    fn add(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn fma(self, a: [f32; N], b: [f32; N], c: [f32; N]) -> [f32; N] {
        let mut out = c;
        for i in 0..N {
            // Without the instruction `mul_add` would be a call into libm.
            out[i] = if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
                a[i].mul_add(b[i], c[i])
            } else {
                a[i] * b[i] + c[i]
            };
        }
        out
    }
    #[inline(always)]
    fn max(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn scale_pow2(self, p: [f32; N], t: [f32; N]) -> [f32; N] {
        zip(p, t, |p, t| {
            f32::from_bits(p.to_bits().wrapping_add(t.to_bits() << 23))
        })
    }
    #[inline(always)]
    fn keep_above(self, x: [f32; N], limit: [f32; N], y: [f32; N]) -> [f32; N] {
        let mut out = y;
        for i in 0..N {
            out[i] = if x[i] > limit[i] { y[i] } else { 0.0 };
        }
        out
    }
    #[inline(always)]
    fn max_lane(self, v: [f32; N]) -> f32 {
        v.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
    #[inline(always)]
    fn sum_lanes(self, v: [f32; N]) -> f32 {
        v.into_iter().sum()
    }
    #[inline(always)]
    unsafe fn gemm<E: KvElement>(self, g: &Gemm<E>) {
        // SAFETY: passed on to the caller.
        unsafe { gemm::gemm(self, g) }
    }
}

/// A lane is a pair of i16 or a sum in i32.
impl Pairs for Portable {
    type Floats = Self;
    type I = [i32; N];

    #[inline(always)]
    fn floats(self) -> Self {
        self
    }
    #[inline(always)]
    fn zero(self) -> [i32; N] {
        [0; N]
    }
    #[inline(always)]
    unsafe fn load(self, p: *const i16) -> [i32; N] {
        // SAFETY: the caller's promise.
        unsafe { unaligned::read(p.cast::<[i32; N]>()) }
    }
    #[inline(always)]
    unsafe fn splat(self, p: *const i16) -> [i32; N] {
        // SAFETY: the caller's promise.
        [unsafe { unaligned::read(p.cast::<i32>()) }; N]
    }
    #[inline(always)]
    fn dot(self, sums: [i32; N], a: [i32; N], b: [i32; N]) -> [i32; N] {
        let mut out = sums;
        for i in 0..N {
            let (a, b): ([i16; 2], [i16; 2]) = (bytemuck::cast(a[i]), bytemuck::cast(b[i]));
            let products = [0, 1].map(|j| i32::from(a[j]) * i32::from(b[j]));
            out[i] = out[i].wrapping_add(products[0].wrapping_add(products[1]));
        }
        out
    }
    #[inline(always)]
    fn to_f32(self, sums: [i32; N]) -> [f32; N] {
        sums.map(|x| x as f32)
    }
    #[inline(always)]
    unsafe fn store_pairs(self, p: *mut i16, even: [f32; N], odd: [f32; N]) {
        for i in 0..N {
            let pair = [even[i], odd[i]].map(|x| x.round_ties_even() as i16);
            // SAFETY: the caller's promise.
            unsafe { unaligned::write(p.cast::<[i16; 2]>().add(i), pair) };
        }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut i16, x: [f32; N]) {
        // SAFETY: the caller's promise.
        unsafe {
            let x = x.map(|x| x.round_ties_even() as i16);
            unaligned::write(p.cast::<[i16; N]>(), x);
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_equals_half_for_every_value() {
        for bits in 0..=u16::MAX {
            let h = f16::from_bits(bits);
            let (ours, theirs) = (widen(h), h.to_f32());
            assert!(
                ours.to_bits() == theirs.to_bits() || (ours.is_nan() && theirs.is_nan()),
                "{bits:#06x}"
            );
        }
    }
}
