//! From GGML's block formats to [`Block`]s.
//!
//! The affine formats are remapped without loss, but for the K-quants' scales: those are products
//! of an f16 and a 6-bit number and are rounded to f16 (one part in 2,000, far below the step of the
//! quants themselves). Everything else is dequantised by candle and quantised again to 8 bits.

#![allow(unsafe_code, reason = "sees aligned words as bytes")]

use super::{
    PackError,
    layout::{BLOCK, Block, Form},
};
use candle_core::{
    Device,
    quantized::{GgmlDType, ggml_file::qtensor_from_ggml},
};
use half::f16;

/// The form that holds a dtype.
pub fn form(dtype: GgmlDType) -> Form {
    match dtype {
        GgmlDType::Q4_0 | GgmlDType::Q4_1 | GgmlDType::Q4K => Form::U4,
        GgmlDType::Q5_0 | GgmlDType::Q5_1 | GgmlDType::Q5K => Form::U5,
        _ => Form::U8,
    }
}

/// Calls `store(block index, block)` for the blocks of one row.
pub fn unpack_row(
    dtype: GgmlDType,
    cols: usize,
    row: &[u8],
    mut store: impl FnMut(usize, Block),
) -> Result<(), PackError> {
    let sized = row.chunks_exact(dtype.type_size()).enumerate();
    match dtype {
        GgmlDType::Q4_0 => sized.for_each(|(b, s)| store(b, q4_0(s))),
        GgmlDType::Q4_1 => sized.for_each(|(b, s)| store(b, q4_1(s))),
        GgmlDType::Q5_0 => sized.for_each(|(b, s)| store(b, q5_0(s))),
        GgmlDType::Q5_1 => sized.for_each(|(b, s)| store(b, q5_1(s))),
        GgmlDType::Q8_0 => sized.for_each(|(b, s)| store(b, q8_0(s))),
        GgmlDType::Q4K => {
            sized.for_each(|(s, bytes)| {
                for sub in 0..8 {
                    store(8 * s + sub, q4k(bytes, sub));
                }
            });
        }
        GgmlDType::Q5K => {
            sized.for_each(|(s, bytes)| {
                for sub in 0..8 {
                    store(8 * s + sub, q5k(bytes, sub));
                }
            });
        }
        _ => {
            for (b, weights) in dequantize(dtype, cols, row)?
                .chunks_exact(BLOCK)
                .enumerate()
            {
                store(b, quantize(weights));
            }
        }
    }
    Ok(())
}

fn half(bytes: &[u8]) -> f16 {
    f16::from_le_bytes([bytes[0], bytes[1]])
}

/// `-n·d`, exact: `n` is a power of two.
fn minus(n: f32, d: f16) -> f16 {
    f16::from_f32(-n * d.to_f32())
}

/// Low nibbles are the first 16 weights, high nibbles the last.
fn nibbles(bytes: &[u8]) -> [u8; BLOCK] {
    std::array::from_fn(|k| {
        if k < 16 {
            bytes[k] & 15
        } else {
            bytes[k - 16] >> 4
        }
    })
}

fn fifth_bits(bytes: &[u8], mut q: [u8; BLOCK]) -> [u8; BLOCK] {
    let bits = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    for (k, q) in q.iter_mut().enumerate() {
        *q |= ((bits >> k & 1) as u8) << 4;
    }
    q
}

fn q4_0(s: &[u8]) -> Block {
    let d = half(s);
    Block {
        d,
        m: minus(8.0, d),
        q: nibbles(&s[2..]),
    }
}

fn q4_1(s: &[u8]) -> Block {
    Block {
        d: half(s),
        m: half(&s[2..]),
        q: nibbles(&s[4..]),
    }
}

fn q5_0(s: &[u8]) -> Block {
    let d = half(s);
    Block {
        d,
        m: minus(16.0, d),
        q: fifth_bits(&s[2..], nibbles(&s[6..])),
    }
}

fn q5_1(s: &[u8]) -> Block {
    Block {
        d: half(s),
        m: half(&s[2..]),
        q: fifth_bits(&s[4..], nibbles(&s[8..])),
    }
}

fn q8_0(s: &[u8]) -> Block {
    let d = half(s);
    Block {
        d,
        m: minus(128.0, d),
        q: std::array::from_fn(|k| s[2 + k] ^ 0x80),
    }
}

/// Scale and offset of a K-quant's sub-block: 6-bit numbers times the super-block's `d` and `dmin`.
fn k_affine(s: &[u8], sub: usize) -> (f16, f16) {
    let packed = &s[4..16];
    let (scale, min) = if sub < 4 {
        (packed[sub] & 63, packed[sub + 4] & 63)
    } else {
        (
            packed[sub + 4] & 15 | packed[sub - 4] >> 6 << 4,
            packed[sub + 4] >> 4 | packed[sub] >> 6 << 4,
        )
    };
    (
        f16::from_f32(half(s).to_f32() * f32::from(scale)),
        f16::from_f32(-half(&s[2..]).to_f32() * f32::from(min)),
    )
}

/// Each 32 bytes hold two sub-blocks, low nibbles and high nibbles.
fn k_nibbles(quants: &[u8], sub: usize) -> [u8; BLOCK] {
    let bytes = &quants[sub / 2 * 32..][..32];
    std::array::from_fn(|k| bytes[k] >> (4 * (sub & 1)) & 15)
}

fn q4k(s: &[u8], sub: usize) -> Block {
    let (d, m) = k_affine(s, sub);
    Block {
        d,
        m,
        q: k_nibbles(&s[16..], sub),
    }
}

fn q5k(s: &[u8], sub: usize) -> Block {
    let (d, m) = k_affine(s, sub);
    let high = &s[16..48];
    let low = k_nibbles(&s[48..], sub);
    Block {
        d,
        m,
        q: std::array::from_fn(|k| low[k] | (high[k] >> sub & 1) << 4),
    }
}

/// One row through candle's own code.
fn dequantize(dtype: GgmlDType, cols: usize, row: &[u8]) -> Result<Vec<f32>, PackError> {
    // candle reinterprets the bytes as its block type: give it an aligned copy.
    let mut words = vec![0u64; row.len().div_ceil(8)];
    // SAFETY: the words cover the row's bytes; any bytes make valid u64 and the borrow is exclusive.
    let aligned =
        unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), row.len()) };
    aligned.copy_from_slice(row);
    let weights = qtensor_from_ggml(dtype, aligned, vec![cols], &Device::Cpu)
        .and_then(|t| t.dequantize(&Device::Cpu))
        .and_then(|t| t.to_vec1::<f32>())?;
    Ok(weights)
}

/// Nearest 8-bit affine block.
fn quantize(weights: &[f32]) -> Block {
    let min = weights.iter().copied().fold(f32::INFINITY, f32::min);
    let max = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let m = f16::from_f32(min);
    let d = f16::from_f32((max - m.to_f32()).max(0.0) / 255.0);
    let inverse = match d.to_f32() {
        d if d > 0.0 => 1.0 / d,
        _ => 0.0,
    };
    Block {
        d,
        m,
        q: std::array::from_fn(|k| ((weights[k] - m.to_f32()) * inverse).round() as u8),
    }
}
