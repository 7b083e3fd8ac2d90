//! What the bytes of a tensor stand for. The types that candle has are read by candle; the others
//! follow llama.cpp's formulas to the last bit (`tests/fixtures/quants.bin` has its numbers).

use candle_core::{
    Device,
    quantized::{GgmlDType, QStorage, QTensor},
};
use half::{bf16, f16};

use super::types::TensorType;

/// Weights that share a scale, in the types that are read here.
const BLOCK: usize = 32;

/// What the nibbles of `IQ4_NL` and `IQ4_XS` stand for, to be multiplied by the scale.
pub const IQ4: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

/// Those of `MXFP4`, doubled.
pub const MXFP4: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// Half of an `MXFP4` block's scale, 2^(e − 128), since [`MXFP4`] is doubled.
pub fn mxfp4_scale(e: u8) -> f32 {
    match e {
        0 | 1 => f32::from_bits(0x0020_0000 << e),
        _ => f32::from_bits(u32::from(e - 1) << 23),
    }
}

/// Scale of the sub-block `sub` of an `IQ4_XS` block.
pub fn iq4_xs_scale(block: &[u8], sub: usize) -> f32 {
    let high = u16::from_le_bytes([block[2], block[3]]);
    let low = block[4 + sub / 2] >> (4 * (sub % 2)) & 15;
    let scale = low | ((high >> (2 * sub) & 3) as u8) << 4;
    f16::from_le_bytes([block[0], block[1]]).to_f32() * (f32::from(scale) - 32.0)
}

/// The 16 bytes of nibbles of the sub-block `sub` of an `IQ4_XS` block.
pub fn iq4_xs_nibbles(block: &[u8], sub: usize) -> &[u8] {
    &block[8 + 16 * sub..][..16]
}

/// Low nibbles are the first 16 weights, high nibbles the last.
pub fn nibbles(bytes: &[u8]) -> [u8; BLOCK] {
    std::array::from_fn(|k| match k < 16 {
        true => bytes[k] & 15,
        false => bytes[k - 16] >> 4,
    })
}

/// The scale, the table and the nibbles of every 32 weights, for types that have a table.
fn each_lookup(
    dtype: TensorType,
    bytes: &[u8],
    mut see: impl FnMut(f32, &'static [i8; 16], [u8; BLOCK]),
) {
    for block in bytes.chunks_exact(dtype.type_size()) {
        match dtype {
            TensorType::Iq4Xs => (0..8).for_each(|sub| {
                let quants = nibbles(iq4_xs_nibbles(block, sub));
                see(iq4_xs_scale(block, sub), &IQ4, quants);
            }),
            TensorType::Mxfp4 => see(mxfp4_scale(block[0]), &MXFP4, nibbles(&block[1..])),
            _ => {
                let d = f16::from_le_bytes([block[0], block[1]]).to_f32();
                see(d, &IQ4, nibbles(&block[2..]));
            }
        }
    }
}

/// The numbers of a tensor, or of rows of one.
///
/// # Errors
/// Where the bytes are no whole blocks.
pub fn dequantize(dtype: TensorType, bytes: &[u8]) -> candle_core::Result<Vec<f32>> {
    if !bytes.len().is_multiple_of(dtype.type_size()) {
        candle_core::bail!("{} bytes are no blocks of {dtype}", bytes.len());
    }
    let weights = bytes.len() / dtype.type_size() * dtype.block_size();
    let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    Ok(match (dtype, dtype.candle()) {
        (TensorType::F32, _) => {
            let words = bytes.chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
            words.map(f32::from_le_bytes).collect()
        }
        (TensorType::F16, _) => pairs().map(|b| f16::from_le_bytes(b).to_f32()).collect(),
        (TensorType::BF16, _) => pairs().map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
        (_, Some(candle)) => {
            // It sees the bytes as its own type of block: here they are aligned.
            let mut words = vec![0u64; bytes.len().div_ceil(8)];
            let aligned = &mut bytemuck::cast_slice_mut::<u64, u8>(&mut words)[..bytes.len()];
            aligned.copy_from_slice(bytes);
            let storage = QStorage::from_data((&*aligned).into(), &Device::Cpu, candle)?;
            QTensor::new(storage, weights)?
                .dequantize(&Device::Cpu)?
                .to_vec1()?
        }
        (_, None) => {
            let mut out = Vec::with_capacity(weights);
            each_lookup(dtype, bytes, |d, table, quants| {
                out.extend(quants.map(|q| d * f32::from(table[usize::from(q)])));
            });
            out
        }
    })
}

/// The same numbers in a type that candle has, for its products on devices. `IQ4_NL` and `MXFP4` fit
/// `Q8_0` exactly (but for powers of two that f16 lacks); the products of scales in `IQ4_XS` are
/// rounded to f16.
pub fn for_candle(dtype: TensorType, bytes: &[u8]) -> (GgmlDType, std::borrow::Cow<'_, [u8]>) {
    if let Some(candle) = dtype.candle() {
        return (candle, bytes.into());
    }
    let blocks = bytes.len() / dtype.type_size() * dtype.block_size() / BLOCK;
    let mut out = Vec::with_capacity(blocks * GgmlDType::Q8_0.type_size());
    each_lookup(dtype, bytes, |d, table, quants| {
        let largest = f16::MAX.to_f32();
        out.extend(f16::from_f32(d.clamp(-largest, largest)).to_le_bytes());
        out.extend(quants.map(|q| table[usize::from(q)].cast_unsigned()));
    });
    (GgmlDType::Q8_0, out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fixture's types, each with bytes and what llama.cpp makes of them.
    fn golden() -> Vec<(TensorType, Vec<u8>, Vec<f32>)> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/quants.bin");
        let all = std::fs::read(path).unwrap();
        let mut rest = &all[..];
        let mut found = Vec::new();
        while !rest.is_empty() {
            let number = |i: usize| u32::from_le_bytes(rest[4 * i..][..4].try_into().unwrap());
            let (bytes, floats) = (number(1) as usize, number(2) as usize);
            let dtype = TensorType::from_id(number(0)).unwrap();
            let data = rest[12..][..bytes].to_vec();
            let right = &rest[12 + bytes..][..4 * floats];
            let right = right.chunks_exact(4).map(|b| b.try_into().unwrap());
            found.push((dtype, data, right.map(f32::from_le_bytes).collect()));
            rest = &rest[12 + bytes + 4 * floats..];
        }
        found
    }

    #[test]
    fn numbers_are_llama_cpps_to_the_last_bit() {
        let golden = golden();
        assert_eq!(golden.len(), 15);
        for (dtype, data, right) in golden {
            let found = dequantize(dtype, &data).unwrap();
            let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&found), bits(&right), "{dtype}");
            assert!(dequantize(dtype, &data[1..]).is_err());
        }
    }

    #[test]
    fn what_devices_get_is_the_same_but_for_the_rounding_of_scales() {
        for (dtype, data, right) in golden() {
            let (candle, bytes) = for_candle(dtype, &data);
            let found = dequantize(candle.into(), &bytes).unwrap();
            for (found, right) in found.iter().zip(right) {
                let off = (found - right).abs();
                let bound = match dtype {
                    TensorType::Iq4Xs => right.abs() / 2048.0,
                    // Powers of two below the smallest f16.
                    TensorType::Mxfp4 if right.abs() < 12.0 * 6e-8 => 12.0 * 6e-8,
                    _ => 0.0,
                };
                assert!(off <= bound, "{dtype}: {found} for {right}");
            }
        }
    }
}
