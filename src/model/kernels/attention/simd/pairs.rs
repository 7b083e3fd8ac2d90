//! Products of 16-bit integers in pairs, for the instruction sets that have them: twice the
//! multiply–adds of f32 per instruction, and more digits than bf16.

#![allow(unsafe_code, reason = "loads and stores by pointer")]

use super::{Kind, Level, Simd};

/// An instruction set with such products; a value is proof that this CPU has it. All methods inline
/// into a function compiled for that set (see [`Level::run_pairs`]).
pub(in crate::model::kernels::attention) trait Pairs:
    Copy
{
    /// Its arithmetic in f32.
    type Floats: Simd;
    /// LANES sums in i32, or as many pairs of i16.
    type I: Copy;

    fn floats(self) -> Self::Floats;
    fn zero(self) -> Self::I;
    /// # Safety
    /// `p` is valid for reading `LANES` pairs.
    unsafe fn load(self, p: *const i16) -> Self::I;
    /// One pair in every lane.
    ///
    /// # Safety
    /// `p` is valid for reading a pair.
    unsafe fn splat(self, p: *const i16) -> Self::I;
    /// `sums + a₀ · b₀ + a₁ · b₁` in every lane.
    fn dot(self, sums: Self::I, a: Self::I, b: Self::I) -> Self::I;
    fn to_f32(self, sums: Self::I) -> FloatsOf<Self>;
    /// Rounds to integers; lane by lane one of `even`, one of `odd`.
    ///
    /// # Safety
    /// `p` is valid for writing `LANES` pairs.
    unsafe fn store_pairs(self, p: *mut i16, even: FloatsOf<Self>, odd: FloatsOf<Self>);
    /// Rounds to integers.
    ///
    /// # Safety
    /// `p` is valid for writing `LANES` i16.
    unsafe fn store(self, p: *mut i16, x: FloatsOf<Self>);
}

pub(in crate::model::kernels::attention) type FloatsOf<P> = <<P as Pairs>::Floats as Simd>::V;

/// Work that is written once over [`Pairs`].
pub(in crate::model::kernels::attention) trait PairTask {
    /// To be `#[inline(always)]`.
    fn run<P: Pairs>(self, pairs: P);
}

impl Level {
    /// Whether this set has products of 16-bit integers that are worth their rounding.
    pub fn has_pairs(self) -> bool {
        match self.0 {
            Kind::PortablePairs => true,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2Pairs | Kind::Avx512Vnni => true,
            _ => false,
        }
    }

    /// Runs it with such products, plain arithmetic where there are none.
    pub(in crate::model::kernels::attention) fn run_pairs(self, task: impl PairTask) {
        match self.0 {
            // SAFETY: such a `Level` is only made where the CPU was seen to have the features.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2Pairs => unsafe { super::avx2pairs::run(task) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => unsafe { super::avx512vnni::run(task) },
            _ => task.run(super::portable::Portable),
        }
    }
}

/// 2ˣ for x ≤ 0 within 4 parts in a million; at least 2⁻¹²⁶, also for NaN.
#[inline(always)]
pub(in crate::model::kernels::attention) fn exp2<S: Simd>(s: S, x: S::V) -> S::V {
    let x = s.max(x, s.splat(-126.0));
    // Adding 1.5·2²³ leaves round(x) in the low bits of `t`.
    let magic = s.splat(12_582_912.0);
    let t = s.add(x, magic);
    let r = s.sub(x, s.sub(t, magic));
    let mut p = s.splat(0.009_666_369);
    for c in [0.055_921_98, 0.240_223_5, 0.693_121, 1.0] {
        p = s.fma(p, r, s.splat(c));
    }
    s.scale_pow2(p, t)
}

#[cfg(test)]
mod tests {
    use super::super::Task;
    use super::*;

    struct Worst<'a>(&'a mut f64);

    impl Task for Worst<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let mut lanes = [0.0f32; 16];
            for i in 0..100_000 {
                let x = -(i as f32) * (125.9 / 100_000.0);
                // SAFETY: `lanes` holds 16 f32, at least `LANES`.
                unsafe { s.store(lanes.as_mut_ptr(), exp2(s, s.splat(x))) };
                let right = f64::from(x).exp2();
                *self.0 = self.0.max((f64::from(lanes[0]) - right).abs() / right);
            }
            for x in [f32::NEG_INFINITY, -1e30, -200.0, f32::NAN] {
                // SAFETY: as above.
                unsafe { s.store(lanes.as_mut_ptr(), exp2(s, s.splat(x))) };
                assert!(lanes[S::LANES - 1] < 1.2e-38);
            }
        }
    }

    #[cfg_attr(miri, ignore = "takes too long")]
    #[test]
    fn exp2_is_exact_to_four_millionths() {
        for level in Level::available() {
            let mut worst = 0.0;
            level.run(Worst(&mut worst));
            assert!(worst < 4e-6, "{level:?}: {worst:e}");
        }
    }
}
