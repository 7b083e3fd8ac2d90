//! Rounding blocks of activations to 8 bits.

#![allow(unsafe_code, reason = "intrinsics")]

use super::{activations::Sums, layout::BLOCK};

/// Adding this number rounds to the nearest integer (ties to even), which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;
/// Numbers up to this count as zero: 127 of their inverses would be infinite.
const ZERO: f32 = 1e-30;

/// What is known of a block beside its `q`: scale and sums.
pub type Known = (f32, Sums);

/// A block's 32 numbers.
pub type Numbers = [f32; BLOCK];

/// Fills `q` with what `x` is in steps of its scale; returns what is known of it.
pub fn block(x: &Numbers, q: &mut [i8; BLOCK]) -> Known {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU has AVX2.
        return unsafe { avx2(x, q) };
    }
    plain(x, q)
}

/// The scale, and its inverse, of a block with this largest magnitude; else what it is all of.
fn scale(max: f32) -> Result<(f32, f32), Known> {
    if !max.is_finite() {
        let sums = Sums {
            all: f32::NAN,
            first: f32::NAN,
            ..Sums::default()
        };
        return Err((f32::NAN, sums));
    }
    if max < ZERO {
        return Err((0.0, Sums::default()));
    }
    Ok((max / 127.0, 127.0 / max))
}

/// `pairs` are sums of `q` by halves and places, as of [`Sums::centre`].
fn known(d: f32, pairs: [[i32; 2]; 2]) -> Known {
    let [first, second] = pairs.map(|[a, b]| a + b);
    let sums = Sums {
        all: d * (first + second) as f32,
        first: d * first as f32,
        // At most 32·8·127.
        centre: pairs.map(|half| half.map(|sum| (-32 * sum) as i16)),
    };
    (d, sums)
}

fn plain(x: &Numbers, q: &mut [i8; BLOCK]) -> Known {
    // The bits of non-negative floats are ordered like the floats, and NaN is above infinity.
    let bits = x.iter().map(|x| x.to_bits() & 0x7fff_ffff);
    let (d, inverse) = match scale(f32::from_bits(bits.fold(0, u32::max))) {
        Ok(scale) => scale,
        Err(known) => {
            q.fill(0);
            return known;
        }
    };
    let mut pairs = [[0; 2]; 2];
    for (at, (q, x)) in q.iter_mut().zip(x).enumerate() {
        let bits = (x * inverse + ROUND).to_bits();
        let rounded = bits.wrapping_sub(ROUND.to_bits()) as i32;
        *q = rounded as i8;
        pairs[at / (BLOCK / 2)][at % 4 / 2] += rounded;
    }
    known(d, pairs)
}

/// [`plain`], number for number.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
pub fn avx2(x: &Numbers, q: &mut [i8; BLOCK]) -> Known {
    use crate::model::kernels::unaligned;
    use std::arch::x86_64::*;
    // Loops and no closures: what is not compiled for AVX2 itself takes vectors through memory.
    let mut eights = [_mm256_setzero_ps(); BLOCK / 8];
    let mut max = _mm256_setzero_si256();
    for (eight, x) in eights.iter_mut().zip(x.chunks_exact(8)) {
        // SAFETY: 8 floats.
        *eight = unsafe { unaligned::read(x.as_ptr().cast::<__m256>()) };
        let magnitude = _mm256_set1_epi32(0x7fff_ffff);
        let bits = _mm256_and_si256(_mm256_castps_si256(*eight), magnitude);
        max = _mm256_max_epi32(max, bits);
    }
    let max = _mm_max_epi32(
        _mm256_castsi256_si128(max),
        _mm256_extracti128_si256::<1>(max),
    );
    let max = _mm_max_epi32(max, _mm_shuffle_epi32::<0b01_00_11_10>(max));
    let max = _mm_max_epi32(max, _mm_shuffle_epi32::<0b10_11_00_01>(max));
    let (d, inverse) = match scale(f32::from_bits(_mm_cvtsi128_si32(max) as u32)) {
        Ok(scale) => scale,
        Err(known) => {
            q.fill(0);
            return known;
        }
    };
    let inverse = _mm256_set1_ps(inverse);
    // To the nearest, ties to even.
    let mut rounded = [_mm256_setzero_si256(); BLOCK / 8];
    for (rounded, x) in rounded.iter_mut().zip(eights) {
        *rounded = _mm256_cvtps_epi32(_mm256_mul_ps(x, inverse));
    }
    let bytes = _mm256_packs_epi16(
        _mm256_packs_epi32(rounded[0], rounded[1]),
        _mm256_packs_epi32(rounded[2], rounded[3]),
    );
    // Packing goes by halves of registers.
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    let bytes = _mm256_permutevar8x32_epi32(bytes, order);
    // SAFETY: 32 bytes.
    unsafe { unaligned::write(q.as_mut_ptr().cast::<__m256i>(), bytes) };
    // Neighbours, then all fours of each half.
    let pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
    let pairs = _mm256_add_epi16(pairs, _mm256_shuffle_epi32::<0b01_00_11_10>(pairs));
    let pairs = _mm256_add_epi16(pairs, _mm256_shuffle_epi32::<0b10_11_00_01>(pairs));
    let first = _mm_cvtsi128_si32(_mm256_castsi256_si128(pairs));
    let second = _mm_cvtsi128_si32(_mm256_extracti128_si256::<1>(pairs));
    let both = |pair: i32| [i32::from(pair as i16), pair >> 16];
    known(d, [both(first), both(second)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_gives_the_same_numbers() {
        let noise = super::super::tests::noise(64 * BLOCK, 3);
        let mut blocks: Vec<Numbers> = noise.as_chunks().0.to_vec();
        // Halves between two steps, and what is not a number or nearly none.
        blocks.push(std::array::from_fn(|i| {
            if i == 0 { 127.0 } else { i as f32 - 0.5 }
        }));
        blocks.push([1e-31; BLOCK]);
        blocks.push([-0.0; BLOCK]);
        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            blocks.push(std::array::from_fn(|i| if i == 17 { broken } else { 1.0 }));
        }
        for (at, x) in blocks.iter().enumerate() {
            let (mut q, mut want) = ([1; BLOCK], [2; BLOCK]);
            let bits =
                |(d, sums): Known| ([d, sums.all, sums.first].map(f32::to_bits), sums.centre);
            assert_eq!(bits(block(x, &mut q)), bits(plain(x, &mut want)), "{at}");
            assert_eq!(q, want, "{at}");
            let first: i32 = q[..BLOCK / 2].iter().map(|q| i32::from(*q)).sum();
            let (_, sums) = plain(x, &mut want);
            let [a, b] = sums.centre[0].map(i32::from);
            assert_eq!(a + b, -32 * first);
            assert!(sums.first.is_nan() || at >= 64 || (sums.first != 0.0) == (first != 0));
        }
    }
}
