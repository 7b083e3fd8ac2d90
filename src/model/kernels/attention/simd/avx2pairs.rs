//! The 16-bit products of AVX2: sixteen multiply–adds and eight additions where products of f32 are eight
//! multiply–adds.

#![allow(unsafe_code, reason = "intrinsics")]

use super::avx2::Avx2;
use super::{PairTask, Pairs};
use crate::model::kernels::unaligned;
use std::arch::x86_64::*;

/// # Safety
/// The CPU has AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn run(task: impl PairTask) {
    // SAFETY: these are what it asks for.
    task.run(unsafe { Avx2::new() });
}

// SAFETY of every block below: `Avx2` proves the features; pointers as the trait promises.
impl Pairs for Avx2 {
    type Floats = Avx2;
    type I = __m256i;

    #[inline(always)]
    fn floats(self) -> Avx2 {
        self
    }
    #[inline(always)]
    fn zero(self) -> __m256i {
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const i16) -> __m256i {
        unsafe { unaligned::read(p.cast::<__m256i>()) }
    }
    #[inline(always)]
    unsafe fn splat(self, p: *const i16) -> __m256i {
        unsafe { _mm256_set1_epi32(unaligned::read(p.cast::<i32>())) }
    }
    #[inline(always)]
    fn dot(self, sums: __m256i, a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(a, b)) }
    }
    #[inline(always)]
    fn to_f32(self, sums: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(sums) }
    }
    #[inline(always)]
    unsafe fn store_pairs(self, p: *mut i16, even: __m256, odd: __m256) {
        unsafe {
            let odd = _mm256_slli_epi32::<16>(_mm256_cvtps_epi32(odd));
            let pairs = _mm256_blend_epi16::<0b1010_1010>(_mm256_cvtps_epi32(even), odd);
            unaligned::write(p.cast::<__m256i>(), pairs);
        }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut i16, x: __m256) {
        unsafe {
            let x = _mm256_cvtps_epi32(x);
            let (low, high) = (_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
            unaligned::write(p.cast::<__m128i>(), _mm_packs_epi32(low, high));
        }
    }
}
