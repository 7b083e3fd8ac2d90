//! From GGML's block formats to tiles, four quants at a time.
//!
//! The formats that are multiplied as they are keep their bits, scales included. Everything else is
//! dequantised and quantised again to 8 bits.

use super::{
    PackError,
    layout::{BLOCK, Form, Line, Quants, Scales, Table},
    scales::Writer,
};
use crate::model::gguf::TensorType;
use crate::model::gguf::quants::dequantize;
use half::f16;

/// The form that holds a dtype.
pub fn form(dtype: TensorType) -> Form {
    let (quants, scales) = match dtype {
        TensorType::Q4_0 => (Quants::U4, Scales::Centred(8)),
        TensorType::Q4_1 => (Quants::U4, Scales::Affine),
        TensorType::Q4K => (Quants::U4, Scales::Factors),
        TensorType::Q5_0 => (Quants::U5, Scales::Centred(16)),
        TensorType::Q5_1 => (Quants::U5, Scales::Affine),
        TensorType::Q5K => (Quants::U5, Scales::Factors),
        TensorType::Q6K => (Quants::U6, Scales::Halves),
        TensorType::Q8_0 => (Quants::U8, Scales::Centred(128)),
        TensorType::Iq4Nl => (Quants::T4(Table::Iq4), Scales::Centred(128)),
        TensorType::Iq4Xs => (Quants::T4(Table::Iq4), Scales::Signed),
        TensorType::Mxfp4 => (Quants::T4(Table::Mxfp4), Scales::Powers),
        _ => (Quants::U8, Scales::Affine),
    };
    Form { quants, scales }
}

/// Writes row `row` of a tile.
pub fn pack_row(
    dtype: TensorType,
    data: &[u8],
    row: usize,
    tile: &mut [Line],
) -> Result<(), PackError> {
    let form = form(dtype);
    let mut out = Row { form, row, tile };
    let sized = data.chunks_exact(dtype.type_size()).enumerate();
    match dtype {
        TensorType::Q4_0 | TensorType::Iq4Nl => {
            for (b, s) in sized {
                out.half(b, b % 2, s);
                out.quants(b, nibbles(&s[2..]));
            }
        }
        TensorType::Q4_1 => {
            for (b, s) in sized {
                out.half(b, 0, s);
                out.half(b, 1, &s[2..]);
                out.quants(b, nibbles(&s[4..]));
            }
        }
        TensorType::Q5_0 => {
            for (b, s) in sized {
                out.half(b, b % 2, s);
                out.quants(b, with_fifth(nibbles(&s[6..]), word(&s[2..], 0)));
            }
        }
        TensorType::Q5_1 => {
            for (b, s) in sized {
                out.half(b, 0, s);
                out.half(b, 1, &s[2..]);
                out.quants(b, with_fifth(nibbles(&s[8..]), word(&s[4..], 0)));
            }
        }
        TensorType::Q8_0 => {
            for (b, s) in sized {
                out.half(b, b % 2, s);
                let raised = |g| word(&s[2..], g) ^ 0x8080_8080;
                out.quants(b, std::array::from_fn(raised));
            }
        }
        TensorType::Q4K | TensorType::Q5K => {
            for (group, s) in sized {
                out.half(8 * group, 0, s);
                out.half(8 * group, 1, &s[2..]);
                for sub in 0..8 {
                    let (b, (scale, min)) = (8 * group + sub, k_factors(&s[4..16], sub));
                    out.scales(b).six(1, 6, sub, scale);
                    out.scales(b).six(2, 7, sub, min);
                    out.quants(
                        b,
                        match dtype {
                            TensorType::Q4K => k_nibbles(&s[16..], sub),
                            _ => {
                                let low = k_nibbles(&s[48..], sub);
                                let bit = |g| (word(&s[16..], g) >> sub & 0x0101_0101) << 4;
                                std::array::from_fn(|g| low[g] | bit(g))
                            }
                        },
                    );
                }
            }
        }
        TensorType::Q6K => {
            for (group, s) in sized {
                out.half(8 * group, 8, &s[208..]);
                for half in 0..16 {
                    out.scales(8 * group).byte(0, half, s[192 + half]);
                }
                for sub in 0..8 {
                    out.quants(8 * group + sub, q6k(s, sub));
                }
            }
        }
        TensorType::Iq4Xs => {
            for (group, s) in sized {
                out.half(8 * group, 0, s);
                let high = u16::from_le_bytes([s[2], s[3]]);
                for sub in 0..8 {
                    let low = s[4 + sub / 2] >> (4 * (sub % 2)) & 15;
                    let bits = low | ((high >> (2 * sub) & 3) as u8) << 4;
                    out.scales(8 * group).six(1, 1, sub, bits);
                    out.quants(8 * group + sub, nibbles(&s[8 + 16 * sub..]));
                }
            }
        }
        TensorType::Mxfp4 => {
            for (b, s) in sized {
                out.scales(b).byte(0, b % 4, s[0]);
                out.quants(b, nibbles(&s[1..]));
            }
        }
        _ => {
            for (b, weights) in dequantize(dtype, data)?.chunks_exact(BLOCK).enumerate() {
                let (d, m, quants) = quantize(weights);
                out.half(b, 0, &d.to_le_bytes());
                out.half(b, 1, &m.to_le_bytes());
                out.quants(b, std::array::from_fn(|g| word(&quants, g)));
            }
        }
    }
    Ok(())
}

/// A row of a tile to be written.
struct Row<'a> {
    form: Form,
    row: usize,
    tile: &'a mut [Line],
}

impl Row<'_> {
    fn quants(&mut self, block: usize, words: [u32; 8]) {
        let lines = &mut self.tile[self.form.quants_at(block)..];
        self.form.quants.store(words, self.row, lines);
    }

    /// The scales of a block's group.
    fn scales(&mut self, block: usize) -> Writer<'_> {
        Writer {
            lines: &mut self.tile[self.form.scales_at(block)..],
            row: self.row,
        }
    }

    /// The first two bytes are an f16.
    fn half(&mut self, block: usize, half: usize, bytes: &[u8]) {
        self.scales(block).half(half, [bytes[0], bytes[1]]);
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let b = &bytes[4 * at..][..4];
    u32::from_le_bytes([b[0], b[1], b[2], b[3]])
}

const LOW: u32 = 0x0f0f_0f0f;

/// Low nibbles are the first 16 quants, high nibbles the last.
fn nibbles(bytes: &[u8]) -> [u32; 8] {
    std::array::from_fn(|g| word(bytes, g % 4) >> (4 * (g / 4)) & LOW)
}

/// With the fifth bit of each.
fn with_fifth(low: [u32; 8], bits: u32) -> [u32; 8] {
    std::array::from_fn(|g| {
        let four = bits >> (4 * g) & 15;
        // Bit j goes to byte j: the copies of the four bits do not meet.
        let spread = four.wrapping_mul(0x0020_4081) & 0x0101_0101;
        low[g] | spread << 4
    })
}

/// Scale and offset of a K-quant's sub-block, 6 bits each.
fn k_factors(packed: &[u8], sub: usize) -> (u8, u8) {
    if sub < 4 {
        return (packed[sub] & 63, packed[sub + 4] & 63);
    }
    (
        packed[sub + 4] & 15 | packed[sub - 4] >> 6 << 4,
        packed[sub + 4] >> 4 | packed[sub] >> 6 << 4,
    )
}

/// Each 32 bytes hold two sub-blocks, low nibbles and high nibbles.
fn k_nibbles(quants: &[u8], sub: usize) -> [u32; 8] {
    let bytes = &quants[sub / 2 * 32..][..32];
    std::array::from_fn(|g| word(bytes, g) >> (4 * (sub & 1)) & LOW)
}

/// Of each 128 quants, 64 bytes of nibbles and 32 of upper bits: sub-blocks 0 and 2, and 1 and 3, share
/// nibbles, and all four share the upper bits.
fn q6k(s: &[u8], sub: usize) -> [u32; 8] {
    let (half, of) = (sub / 4, sub % 4);
    let low = &s[64 * half + 32 * (of % 2)..][..32];
    let high = &s[128 + 32 * half..][..32];
    std::array::from_fn(|g| {
        let low = word(low, g) >> (4 * (of / 2)) & LOW;
        low | (word(high, g) >> (2 * of) & 0x0303_0303) << 4
    })
}

/// Nearest 8-bit affine block: scale, offset and quants.
fn quantize(weights: &[f32]) -> (f16, f16, [u8; BLOCK]) {
    let min = weights.iter().copied().fold(f32::INFINITY, f32::min);
    let max = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let m = f16::from_f32(min);
    let d = f16::from_f32((max - m.to_f32()).max(0.0) / 255.0);
    let inverse = match d.to_f32() {
        d if d > 0.0 => 1.0 / d,
        _ => 0.0,
    };
    let quant = |k: usize| ((weights[k] - m.to_f32()) * inverse).round() as u8;
    (d, m, std::array::from_fn(quant))
}
