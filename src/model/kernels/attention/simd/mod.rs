//! The few vector operations that attention and dense products need, per instruction set, and the choice among them
//! at run time. (pulp's generic trait has no f16 loads, which are half of decoding.)

#![allow(unsafe_code, reason = "loads and stores by pointer")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx2pairs;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512vnni;
mod pairs;
mod portable;

use super::gemm::Gemm;
use crate::cache::KvElement;
#[cfg(target_arch = "x86_64")]
use crate::model::kernels::amx;
use half::{bf16, f16};
use std::any::TypeId;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) use avx512::Avx512;
pub(super) use pairs::{PairTask, Pairs, exp2};

/// One instruction set; a value is proof that this CPU has it. All methods inline into a function
/// compiled for that set (see [`Level::run`]).
pub(in crate::model::kernels) trait Simd: Copy {
    /// A register of [`Self::LANES`] f32.
    type V: Copy;
    /// 4, 8 or 16.
    const LANES: usize;
    /// 32 registers rather than 16.
    const WIDE: bool;

    fn splat(self, x: f32) -> Self::V;
    /// # Safety
    /// `p` is valid for reading `LANES` f32.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// # Safety
    /// `p` is valid for reading `LANES` f16.
    unsafe fn load_f16(self, p: *const f16) -> Self::V;
    /// # Safety
    /// `p` is valid for reading `LANES` bf16.
    unsafe fn load_bf16(self, p: *const bf16) -> Self::V;
    /// # Safety
    /// `p` is valid for writing `LANES` f32.
    unsafe fn store(self, p: *mut f32, v: Self::V);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b + c`
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `p · 2^n`, where `n` is the integer in the low bits of `t` (see [`exp`]).
    fn scale_pow2(self, p: Self::V, t: Self::V) -> Self::V;
    /// `y` in the lanes where `x > limit`, else 0.
    fn keep_above(self, x: Self::V, limit: Self::V, y: Self::V) -> Self::V;
    fn max_lane(self, v: Self::V) -> f32;
    fn sum_lanes(self, v: Self::V) -> f32;
    /// # Safety
    /// As [`super::gemm::gemm`].
    unsafe fn gemm<E: KvElement>(self, g: &Gemm<E>);
}

/// Work that is written once over [`Simd`].
pub(in crate::model::kernels) trait Task {
    /// To be `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Portable,
    /// With integer products in plain arithmetic: for tests, never detected.
    PortablePairs,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx2Pairs,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// [`Kind::Avx512`] with the matrix unit.
    #[cfg(target_arch = "x86_64")]
    Amx,
}

/// An instruction set this CPU has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(Kind);

impl Level {
    /// The fastest that this CPU has.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if has_avx512() && amx::available() {
                return Level(Kind::Amx);
            }
            if has_avx512() && is_x86_feature_detected!("avx512vnni") {
                return Level(Kind::Avx512Vnni);
            }
            if has_avx512() {
                return Level(Kind::Avx512);
            }
            if has_avx2() {
                return Level(Kind::Avx2Pairs);
            }
        }
        Level(Kind::Portable)
    }

    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable => "portable",
            Kind::PortablePairs => "portable, in pairs",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2Pairs => "avx2, in pairs",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => "avx512-vnni",
            #[cfg(target_arch = "x86_64")]
            Kind::Amx => "avx512, in amx tiles",
        }
    }

    /// All that can run here, the fastest last.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut all = vec![Level(Kind::PortablePairs), Level(Kind::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if has_avx2() {
                all.extend([Level(Kind::Avx2), Level(Kind::Avx2Pairs)]);
            }
            if has_avx512() {
                all.push(Level(Kind::Avx512));
            }
            if has_avx512() && is_x86_feature_detected!("avx512vnni") {
                all.push(Level(Kind::Avx512Vnni));
            }
            if has_avx512() && amx::available() {
                all.push(Level(Kind::Amx));
            }
        }
        all
    }

    /// Whether this is the set with the matrix unit.
    pub fn has_tiles(self) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Amx => true,
            _ => false,
        }
    }

    pub(in crate::model::kernels) fn run(self, task: impl Task) {
        match self.0 {
            Kind::Portable | Kind::PortablePairs => task.run(portable::Portable),
            // SAFETY: such a `Level` is only made where the CPU was seen to have the features.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::Avx2Pairs => unsafe { avx2::run(task) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 | Kind::Avx512Vnni | Kind::Amx => unsafe { avx512::run(task) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    has_avx2() && is_x86_feature_detected!("avx512f")
}

/// `LANES` cache elements as f32.
///
/// # Safety
/// `p` is valid for reading `LANES` elements.
#[inline(always)]
pub(in crate::model::kernels) unsafe fn load_elements<S: Simd, E: KvElement>(
    s: S,
    p: *const E,
) -> S::V {
    // SAFETY: the caller's promise; a cast happens only to the very type `E` is.
    unsafe {
        if TypeId::of::<E>() == TypeId::of::<f32>() {
            s.load(p.cast())
        } else if TypeId::of::<E>() == TypeId::of::<f16>() {
            s.load_f16(p.cast())
        } else if TypeId::of::<E>() == TypeId::of::<bf16>() {
            s.load_bf16(p.cast())
        } else {
            let mut lanes = [0.0f32; 16];
            for (i, lane) in lanes.iter_mut().enumerate().take(S::LANES) {
                *lane = (*p.add(i)).to_f32();
            }
            s.load(lanes.as_ptr())
        }
    }
}

/// eˣ for x ≤ 0 within 2 units in the last place; 0 below −87, where f32 runs out of exponents.
#[inline(always)]
pub(super) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    // Adding 1.5·2²³ leaves round(x / ln 2) in the low bits of `t`.
    let magic = s.splat(12_582_912.0);
    let t = s.fma(x, s.splat(std::f32::consts::LOG2_E), magic);
    let n = s.sub(t, magic);
    // ln 2 in two parts, the first exact when multiplied by n.
    let r = s.fma(n, s.splat(-0.693_359_4), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let p = s.fma(s.splat(1.987_569_2e-4), r, s.splat(1.398_2e-3));
    let p = s.fma(p, r, s.splat(8.333_452e-3));
    let p = s.fma(p, r, s.splat(4.166_579_6e-2));
    let p = s.fma(p, r, s.splat(1.666_666_5e-1));
    let p = s.fma(p, r, s.splat(0.5));
    let p = s.add(s.fma(p, s.mul(r, r), r), s.splat(1.0));
    s.keep_above(x, s.splat(-87.0), s.scale_pow2(p, t))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Worst<'a>(&'a mut f64);

    impl Task for Worst<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let mut lanes = [0.0f32; 16];
            for i in 0..400_000 {
                let x = -(i as f32) * (86.9 / 400_000.0);
                // SAFETY: `lanes` holds 16 f32, at least `LANES`.
                unsafe { s.store(lanes.as_mut_ptr(), exp(s, s.splat(x))) };
                let right = f64::from(x).exp();
                *self.0 = self.0.max((f64::from(lanes[0]) - right).abs() / right);
            }
            for x in [f32::NEG_INFINITY, -1e30, -200.0] {
                // SAFETY: as above.
                unsafe { s.store(lanes.as_mut_ptr(), exp(s, s.splat(x))) };
                assert_eq!(lanes[S::LANES - 1], 0.0);
            }
        }
    }

    #[cfg_attr(miri, ignore = "takes too long")]
    #[test]
    fn exp_is_exact_to_two_units_in_the_last_place() {
        for level in Level::available() {
            let mut worst = 0.0;
            level.run(Worst(&mut worst));
            assert!(worst < 2e-7, "{level:?}: {worst:e}");
        }
    }
}
