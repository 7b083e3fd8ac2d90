//! Lines of factors, from registers of 16 numbers.

#![allow(unsafe_code, reason = "intrinsics")]

use crate::model::kernels::unaligned;
use std::arch::x86_64::*;

/// A line of a left factor: 32 numbers of a row, `low` before `high`.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
pub fn numbers(low: __m512, high: __m512) -> __m512i {
    // SAFETY: as many bits.
    unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(high, low)) }
}

/// Where numbers of two registers go to lie in [`pairs`].
#[inline]
#[target_feature(enable = "avx512f")]
pub fn order() -> __m512i {
    let mut order = [0u16; 32];
    for (i, place) in order.iter_mut().enumerate() {
        *place = (i % 2 * 16 + i / 2) as u16;
    }
    // SAFETY: 64 bytes.
    unsafe { unaligned::read(order.as_ptr().cast::<__m512i>()) }
}

/// A line of a right factor: lane by lane one number of `x` and one of `y`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub fn pairs(order: __m512i, x: __m512, y: __m512) -> __m512i {
    _mm512_permutexvar_epi16(order, numbers(x, y))
}
