//! The 16-bit products of AVX-512 VNNI: two multiply–adds a lane where a product of f32 is one.

#![allow(unsafe_code, reason = "intrinsics")]

use super::avx512::Avx512;
use super::{PairTask, Pairs};
use crate::model::kernels::unaligned;
use std::arch::x86_64::*;

/// Made by [`run`] alone, so it is proof of the features.
#[derive(Clone, Copy)]
pub(super) struct Avx512Vnni(Avx512);

/// # Safety
/// The CPU has AVX-512F with VNNI, AVX2, FMA and F16C.
#[target_feature(enable = "avx512f,avx512vnni,avx2,fma,f16c")]
pub(super) unsafe fn run(task: impl PairTask) {
    // SAFETY: more features than it asks for.
    task.run(Avx512Vnni(unsafe { Avx512::new() }));
}

// SAFETY of every block below: `Avx512Vnni` proves the features; pointers as the trait promises.
impl Pairs for Avx512Vnni {
    type Floats = Avx512;
    type I = __m512i;

    #[inline(always)]
    fn floats(self) -> Avx512 {
        self.0
    }
    #[inline(always)]
    fn zero(self) -> __m512i {
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const i16) -> __m512i {
        unsafe { unaligned::read(p.cast::<__m512i>()) }
    }
    #[inline(always)]
    unsafe fn splat(self, p: *const i16) -> __m512i {
        unsafe { _mm512_set1_epi32(unaligned::read(p.cast::<i32>())) }
    }
    #[inline(always)]
    fn dot(self, sums: __m512i, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_dpwssd_epi32(sums, a, b) }
    }
    #[inline(always)]
    fn to_f32(self, sums: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(sums) }
    }
    #[inline(always)]
    unsafe fn store_pairs(self, p: *mut i16, even: __m512, odd: __m512) {
        unsafe {
            let low = _mm512_and_si512(_mm512_cvtps_epi32(even), _mm512_set1_epi32(0xffff));
            let high = _mm512_slli_epi32::<16>(_mm512_cvtps_epi32(odd));
            unaligned::write(p.cast::<__m512i>(), _mm512_or_si512(low, high));
        }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut i16, x: __m512) {
        unsafe {
            unaligned::write(
                p.cast::<__m256i>(),
                _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(x)),
            )
        }
    }
}
