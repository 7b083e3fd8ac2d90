//! AVX-512F: twice the lanes and twice the registers of AVX2.

#![allow(unsafe_code, reason = "intrinsics")]

use super::{Simd, Task};
use crate::cache::KvElement;
use crate::model::kernels::attention::gemm::{self, Gemm};
use crate::model::kernels::unaligned;
use half::{bf16, f16};
use std::arch::x86_64::*;

/// Made where the features are known, so it is proof of them.
#[derive(Clone, Copy)]
pub(in crate::model::kernels::attention) struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The CPU has AVX-512F, AVX2, FMA and F16C.
    #[inline(always)]
    pub(in crate::model::kernels::attention) unsafe fn new() -> Self {
        Avx512(())
    }
}

/// # Safety
/// The CPU has AVX-512F, AVX2, FMA and F16C.
#[target_feature(enable = "avx512f,avx2,fma,f16c")]
pub(super) unsafe fn run(task: impl Task) {
    task.run(Avx512(()));
}

#[target_feature(enable = "avx512f,avx2,fma,f16c")]
unsafe fn product<E: KvElement>(s: Avx512, g: &Gemm<E>) {
    // SAFETY: passed on to the caller.
    unsafe { gemm::gemm(s, g) }
}

// SAFETY of every block below: `Avx512` proves the features; pointers as the trait promises.
impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;
    const WIDE: bool = true;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        unsafe { unaligned::read(p.cast::<__m512>()) }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const f16) -> __m512 {
        unsafe { _mm512_cvtph_ps(unaligned::read(p.cast::<__m256i>())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const bf16) -> __m512 {
        unsafe {
            let wide = _mm512_cvtepu16_epi32(unaligned::read(p.cast::<__m256i>()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m512) {
        unsafe { unaligned::write(p.cast::<__m512>(), v) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn scale_pow2(self, p: __m512, t: __m512) -> __m512 {
        unsafe {
            let n = _mm512_slli_epi32::<23>(_mm512_castps_si512(t));
            _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), n))
        }
    }
    #[inline(always)]
    fn keep_above(self, x: __m512, limit: __m512, y: __m512) -> __m512 {
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, limit), y) }
    }
    #[inline(always)]
    fn max_lane(self, v: __m512) -> f32 {
        unsafe { _mm512_reduce_max_ps(v) }
    }
    #[inline(always)]
    fn sum_lanes(self, v: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(v) }
    }
    #[inline(always)]
    unsafe fn gemm<E: KvElement>(self, g: &Gemm<E>) {
        unsafe { product(self, g) }
    }
}
