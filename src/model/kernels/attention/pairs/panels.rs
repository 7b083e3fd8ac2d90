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
    pub key_scale: &'a mut [f32; PAGE],
    /// Each entry's value, as its integers have it, is multiplied by 2 to this.
    pub exponent: &'a mut [f32; PAGE],
    /// And that is this, upside down.
    pub inverse: &'a mut [f32; PAGE],
    /// Whether an entry holds what is no number.
    pub broken: bool,
}

/// Stacks an item's queries; `scales` takes `by` too. Padding rows are zero.
#[inline(always)]
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
        let mut squares = [0.0f32; 16];
        for x in from.chunks(16) {
            for (square, x) in squares.iter_mut().zip(x) {
                *square += x * x;
            }
        }
        let length = squares.iter().sum::<f32>().sqrt();
        let up = up_to(LENGTH, length);
        for (to, x) in to.iter_mut().zip(from) {
            // Adding 1.5·2²³ leaves the rounded number in the low bits.
            *to = (x * up + 12_582_912.0).to_bits() as i16;
        }
        *scale = length / LENGTH * by;
    }
}

/// What makes `length` this long; nothing makes 0 longer.
#[inline(always)]
fn up_to(long: f32, length: f32) -> f32 {
    let up = long / length;
    if length > 0.0 { up } else { 0.0 }
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
    to.broken = to.inverse.iter().any(|x| x.is_nan());
}

#[inline(always)]
fn pack_keys<P: Pairs, T: KvElement>(p: P, shape: &Shape, keys: &[T], to: &mut Panels) {
    let (s, lanes) = (p.floats(), P::Floats::LANES);
    let dim = shape.dim;
    assert!(keys.len() >= dim * PAGE && to.keys.len() >= shape.pairs * 2 * PAGE);
    let mut squares = [0.0f32; PAGE];
    for e in (0..PAGE).step_by(4 * lanes) {
        // SAFETY: rows of `PAGE` elements each, a multiple of four vectors, and `PAGE` squares.
        unsafe {
            let mut sums = [s.splat(0.0); 4];
            for d in 0..dim {
                let row = keys.as_ptr().add(d * PAGE + e);
                for (i, sum) in sums.iter_mut().enumerate() {
                    let x = load_elements(s, row.add(i * lanes));
                    *sum = s.fma(x, x, *sum);
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                s.store(squares.as_mut_ptr().add(e + i * lanes), sum);
            }
        }
    }
    let mut up = [0.0f32; PAGE];
    for e in 0..PAGE {
        let length = squares[e].sqrt();
        to.key_scale[e] = length * (1.0 / LENGTH);
        up[e] = up_to(LENGTH, length);
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
    let mut greatest = [LEAST; PAGE];
    let mut sum = s.splat(0.0);
    for (e, greatest) in greatest.iter_mut().enumerate().take(n) {
        let row = &values[e * dim..][..dim];
        let zero = s.splat(0.0);
        let (mut high, mut of_entry) = (s.splat(LEAST), zero);
        for v in 0..dim / lanes {
            // SAFETY: inside the row.
            let x = unsafe { load_elements(s, row.as_ptr().add(v * lanes)) };
            high = s.max(s.max(x, s.sub(zero, x)), high);
            of_entry = s.add(of_entry, x);
        }
        if dim < ldo {
            let x = tail(s, &row[dim / lanes * lanes..]);
            high = s.max(s.max(x, s.sub(zero, x)), high);
            of_entry = s.add(of_entry, x);
        }
        sum = s.add(sum, of_entry);
        *greatest = s.max_lane(high);
    }
    let mut up = [0.0f32; PAGE];
    for e in 0..PAGE {
        // The least power of two that is at least as great.
        let above = (greatest[e].to_bits() + 0x007f_ffff) & 0xff80_0000;
        to.exponent[e] = (above >> 23) as f32 - 127.0;
        to.inverse[e] = f32::from_bits((254 << 23) - above.min(253 << 23));
        up[e] = VALUE * to.inverse[e];
    }
    if !s.sum_lanes(sum).is_finite() {
        for (row, inverse) in values.chunks_exact(dim).zip(&mut *to.inverse) {
            if !row.iter().all(|x| x.to_f32().is_finite()) {
                *inverse = f32::NAN;
            }
        }
    }
    for pair in 0..n.div_ceil(2) {
        let even = &values[2 * pair * dim..][..dim];
        let odd = &values[(2 * pair + 1) * dim..][..dim];
        let [up_even, up_odd] = [0, 1].map(|i| s.splat(up[2 * pair + i]));
        // SAFETY: inside the rows; `PAGE / 2` rows of `ldo` pairs.
        unsafe {
            let to = to.values.as_mut_ptr().add(2 * pair * ldo);
            for v in 0..dim / lanes {
                let x = load_elements(s, even.as_ptr().add(v * lanes));
                let y = load_elements(s, odd.as_ptr().add(v * lanes));
                p.store_pairs(to.add(2 * v * lanes), s.mul(x, up_even), s.mul(y, up_odd));
            }
            if dim < ldo {
                let at = dim / lanes * lanes;
                let (x, y) = (tail(s, &even[at..]), tail(s, &odd[at..]));
                p.store_pairs(to.add(2 * at), s.mul(x, up_even), s.mul(y, up_odd));
            }
        }
    }
}

/// Less than a vector, and zeros behind it.
#[inline(always)]
fn tail<S: Simd, T: KvElement>(s: S, row: &[T]) -> S::V {
    let mut lanes = [0.0f32; 16];
    for (lane, x) in lanes.iter_mut().zip(row) {
        *lane = x.to_f32();
    }
    // SAFETY: 16 are at least LANES.
    unsafe { s.load(lanes.as_ptr()) }
}
