//! From GGML's block formats to [`Block`]s.
//!
//! The affine formats are remapped without loss, but for the K-quants' scales: those are products
//! of an f16 and a 6-bit number and are rounded to f16 (one part in 2,000, far below the step of the
//! quants themselves), and those of IQ4_XS likewise. Everything else is dequantised and quantised
//! again to 8 bits.

use super::{
    PackError,
    layout::{BLOCK, Block, Form, Table},
};
use crate::model::gguf::TensorType;
use crate::model::gguf::quants::{dequantize, iq4_xs_nibbles, iq4_xs_scale, mxfp4_scale, nibbles};
use half::f16;

/// The form that holds a dtype.
pub fn form(dtype: TensorType) -> Form {
    match dtype {
        TensorType::Q4_0 | TensorType::Q4_1 | TensorType::Q4K => Form::U4,
        TensorType::Q5_0 | TensorType::Q5_1 | TensorType::Q5K => Form::U5,
        TensorType::Iq4Nl | TensorType::Iq4Xs => Form::T4(Table::Iq4),
        TensorType::Mxfp4 => Form::T4(Table::Mxfp4),
        _ => Form::U8,
    }
}

/// Calls `store(block index, block)` for the blocks of one row.
pub fn unpack_row(
    dtype: TensorType,
    row: &[u8],
    mut store: impl FnMut(usize, Block),
) -> Result<(), PackError> {
    let sized = row.chunks_exact(dtype.type_size()).enumerate();
    match dtype {
        TensorType::Q4_0 => sized.for_each(|(b, s)| store(b, q4_0(s))),
        TensorType::Q4_1 => sized.for_each(|(b, s)| store(b, q4_1(s))),
        TensorType::Q5_0 => sized.for_each(|(b, s)| store(b, q5_0(s))),
        TensorType::Q5_1 => sized.for_each(|(b, s)| store(b, q5_1(s))),
        TensorType::Q8_0 => sized.for_each(|(b, s)| store(b, q8_0(s))),
        TensorType::Q4K => {
            sized.for_each(|(s, bytes)| {
                for sub in 0..8 {
                    store(8 * s + sub, q4k(bytes, sub));
                }
            });
        }
        TensorType::Q5K => {
            sized.for_each(|(s, bytes)| {
                for sub in 0..8 {
                    store(8 * s + sub, q5k(bytes, sub));
                }
            });
        }
        TensorType::Iq4Nl => {
            sized.for_each(|(b, s)| store(b, looked_up(half(s), nibbles(&s[2..]))));
        }
        TensorType::Iq4Xs => {
            sized.for_each(|(s, bytes)| {
                for sub in 0..8 {
                    let d = f16::from_f32(iq4_xs_scale(bytes, sub));
                    store(
                        8 * s + sub,
                        looked_up(d, nibbles(iq4_xs_nibbles(bytes, sub))),
                    );
                }
            });
        }
        TensorType::Mxfp4 => {
            // Above 2^8 the offset leaves f16; such weights, above 3,000, are none.
            let d = |s: &[u8]| f16::from_f32(mxfp4_scale(s[0]).min(256.0));
            sized.for_each(|(b, s)| store(b, looked_up(d(s), nibbles(&s[1..]))));
        }
        _ => {
            for (b, weights) in dequantize(dtype, row)?.chunks_exact(BLOCK).enumerate() {
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

/// Nibbles that a table stands behind, 128 above what they mean.
fn looked_up(d: f16, q: [u8; BLOCK]) -> Block {
    Block {
        d,
        m: minus(128.0, d),
        q,
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
