//! Queries, keys and values as 16-bit integers in pairs, each row or entry with a scale of its own:
//! so a row's result depends on nothing that it does not see.

#![allow(unsafe_code, reason = "loads and stores whole registers")]

use super::Shape;
use crate::cache::{KvElement, PAGE};
use crate::model::kernels::attention::simd::{Pairs, Simd, load_elements};
use crate::model::kernels::attention::tile::{Call, Item};

/// Length of queries and keys as integers. Their products stay in 31 bits by Cauchy and Schwarz,
/// rounding included.
const LENGTH: f32 = 32_767.0;
/// The least power of two above an entry's values becomes this.
pub(super) const VALUE: f32 = 8_191.0;
/// Values are not scaled up further than from here.
const LEAST: f32 = 1.0 / (1u32 << 30) as f32;

/// A page's keys and values in pairs, and what its entries are scaled by.
pub(super) struct Panels<'a> {
    /// `[dim / 2, PAGE]` pairs.
    pub keys: &'a mut [i16],
    /// `[PAGE / 2, ldo]` pairs.
    pub values: &'a mut [i16],
    /// What a key's products are multiplied by.
    pub key_scale: &'a mut [f32],
    /// Each entry's value, as its integers have it, is multiplied by 2 to this.
    pub exponent: &'a mut [f32],
    /// And that is this, upside down.
    pub inverse: &'a mut [f32],
}

/// Stacks an item's queries; `scales` takes `by` too. Padding rows are zero.
pub(super) fn load_queries<T: KvElement>(
    call: &Call<T>,
    item: &Item,
    shape: &Shape,
    by: f32,
    to: &mut [i16],
    scales: &mut [f32],
) {
    let (heads, group, dim) = (call.queries.heads, call.group(), shape.dim);
    to.fill(0);
    scales.fill(0.0);
    let rows = to.chunks_exact_mut(2 * shape.pairs).zip(scales);
    for (m, (to, scale)) in rows.enumerate().take(shape.m) {
        let from = (item.rows.start + m / group) * heads + item.head * group + m % group;
        let from = &call.queries.q[from * dim..][..dim];
        let length = from.iter().map(|x| x * x).sum::<f32>().sqrt();
        let up = up_to(LENGTH, length);
        for (to, x) in to.iter_mut().zip(from) {
            *to = (x * up).round_ties_even() as i16;
        }
        *scale = length / LENGTH * by;
    }
}

/// What makes `length` this long; nothing makes 0 longer.
fn up_to(long: f32, length: f32) -> f32 {
    if length > 0.0 { long / length } else { 0.0 }
}

/// Packs the first `n` entries of a page, `[dim, PAGE]` keys and `[PAGE, dim]` values.
#[inline(always)]
pub(super) fn pack<P: Pairs, T: KvElement>(
    p: P,
    shape: &Shape,
    (keys, values): (&[T], &[T]),
    n: usize,
    to: &mut Panels,
) {
    pack_keys(p, shape, keys, to);
    pack_values(p, shape, values, n, to);
    for e in 0..PAGE {
        if e >= n {
            // Whatever stands there has no weight.
            (to.key_scale[e], to.exponent[e], to.inverse[e]) = (0.0, f32::NEG_INFINITY, 0.0);
        } else if !to.key_scale[e].is_finite() {
            to.inverse[e] = f32::NAN;
        }
    }
}

#[inline(always)]
fn pack_keys<P: Pairs, T: KvElement>(p: P, shape: &Shape, keys: &[T], to: &mut Panels) {
    let (s, lanes) = (p.floats(), P::Floats::LANES);
    let dim = shape.dim;
    assert!(keys.len() >= dim * PAGE && to.keys.len() >= shape.pairs * 2 * PAGE);
    assert!(to.key_scale.len() >= PAGE);
    let mut up = [0.0f32; PAGE];
    for e in (0..PAGE).step_by(lanes) {
        // SAFETY: rows of `PAGE` elements each, and `PAGE` scales.
        unsafe {
            let mut squares = s.splat(0.0);
            for d in 0..dim {
                let x = load_elements(s, keys.as_ptr().add(d * PAGE + e));
                squares = s.fma(x, x, squares);
            }
            s.store(up.as_mut_ptr().add(e), squares);
        }
    }
    for (up, scale) in up.iter_mut().zip(&mut *to.key_scale) {
        let length = up.sqrt();
        *scale = length / LENGTH;
        *up = up_to(LENGTH, length);
    }
    for pair in 0..shape.pairs {
        for e in (0..PAGE).step_by(lanes) {
            // SAFETY: as above; `pairs` rows of `PAGE` pairs.
            unsafe {
                let up = s.load(up.as_ptr().add(e));
                let row = keys.as_ptr().add(2 * pair * PAGE + e);
                let even = s.mul(load_elements(s, row), up);
                let odd = if 2 * pair + 1 < dim {
                    s.mul(load_elements(s, row.add(PAGE)), up)
                } else {
                    s.splat(0.0)
                };
                p.store_pairs(to.keys.as_mut_ptr().add(2 * (pair * PAGE + e)), even, odd);
            }
        }
    }
}

#[inline(always)]
fn pack_values<P: Pairs, T: KvElement>(
    p: P,
    shape: &Shape,
    values: &[T],
    n: usize,
    to: &mut Panels,
) {
    let (s, lanes) = (p.floats(), P::Floats::LANES);
    let (dim, ldo) = (shape.dim, shape.ldo);
    assert!(values.len() >= PAGE * dim && n <= PAGE && to.values.len() >= PAGE * ldo);
    let mut up = [0.0f32; PAGE];
    for (e, up) in up.iter_mut().enumerate().take(n) {
        let row = &values[e * dim..][..dim];
        let (mut high, mut sum) = (s.splat(LEAST), s.splat(0.0));
        for v in 0..ldo / lanes {
            let x = part(s, row, v * lanes);
            high = s.max(s.max(x, s.sub(s.splat(0.0), x)), high);
            sum = s.add(sum, x);
        }
        // The sum shows what is not a number.
        let (above, sum) = (power_above(s.max_lane(high)), s.sum_lanes(sum));
        *up = VALUE / above;
        to.exponent[e] = (above.to_bits() >> 23) as f32 - 127.0;
        to.inverse[e] = if sum.is_finite() {
            1.0 / above
        } else {
            f32::NAN
        };
    }
    for pair in 0..n.div_ceil(2) {
        let even = &values[2 * pair * dim..][..dim];
        let odd = &values[(2 * pair + 1) * dim..][..dim];
        let [up_even, up_odd] = [0, 1].map(|i| s.splat(up[2 * pair + i]));
        for v in 0..ldo / lanes {
            let even = s.mul(part(s, even, v * lanes), up_even);
            let odd = s.mul(part(s, odd, v * lanes), up_odd);
            // SAFETY: `PAGE / 2` rows of `ldo` pairs.
            unsafe {
                let to = to.values.as_mut_ptr().add(2 * (pair * ldo + v * lanes));
                p.store_pairs(to, even, odd);
            }
        }
    }
}

/// The least power of two that is at least `x`, for normal `x` > 0.
fn power_above(x: f32) -> f32 {
    f32::from_bits((x.to_bits() + 0x007f_ffff) & 0xff80_0000)
}

/// A vector of `row` from `at` on, zeros behind its end.
#[inline(always)]
fn part<S: Simd, T: KvElement>(s: S, row: &[T], at: usize) -> S::V {
    // SAFETY: the lanes are inside the row, or in an array of 16.
    unsafe {
        if at + S::LANES <= row.len() {
            return load_elements(s, row.as_ptr().add(at));
        }
        let mut lanes = [0.0f32; 16];
        for (lane, x) in lanes.iter_mut().zip(&row[at..]) {
            *lane = x.to_f32();
        }
        s.load(lanes.as_ptr())
    }
}
