//! The tiny model in other forms: in a type that candle does not write, and in several files.

use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::Value;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Result, Tensor};

use super::tiny::{TinySpec, metadata, tensors};
use crate::model::gguf::TensorType;
use crate::model::gguf::quants::{IQ4, MXFP4, mxfp4_scale};

const ALIGNMENT: usize = 32;

/// Name, dimensions (row-major), type and bytes.
type Written = (String, Vec<usize>, TensorType, Vec<u8>);

/// Writes the model into `folder`, its matrices as `dtype` where their rows hold whole blocks, in
/// `parts` files; returns their paths.
///
/// # Errors
/// When a file cannot be written.
pub fn write_tiny_parts(
    folder: &Path,
    spec: &TinySpec,
    dtype: TensorType,
    parts: usize,
) -> Result<Vec<PathBuf>> {
    let plain = TinySpec {
        quant: GgmlDType::F32,
        ..spec.clone()
    };
    let all = tensors(&plain)?.into_iter();
    let all = all.map(|(name, tensor)| encoded(name, &tensor, dtype));
    let all = all.collect::<Result<Vec<Written>>>()?;
    let mut paths = Vec::new();
    for (i, some) in all.chunks(all.len().div_ceil(parts.max(1))).enumerate() {
        let mut keys = if i == 0 { metadata(spec) } else { Vec::new() };
        let mut name = "tiny.gguf".to_owned();
        if parts > 1 {
            keys.push(("split.no".into(), Value::U16(i as u16)));
            keys.push(("split.count".into(), Value::U16(parts as u16)));
            keys.push(("split.tensors.count".into(), Value::I32(all.len() as i32)));
            name = format!("tiny-{:05}-of-{parts:05}.gguf", i + 1);
        }
        let path = folder.join(name);
        std::fs::File::create(&path)?.write_all(&file(&keys, some))?;
        paths.push(path);
    }
    Ok(paths)
}

fn encoded(name: String, tensor: &QTensor, dtype: TensorType) -> Result<Written> {
    let dims = tensor.shape().dims().to_vec();
    let plain = tensor.dequantize(&Device::Cpu)?;
    let whole = dims.len() == 2 && dims[1].is_multiple_of(dtype.block_size());
    let dtype = if whole { dtype } else { TensorType::F32 };
    let bytes = match dtype.candle() {
        Some(candle) => QTensor::quantize(&plain, candle)?.data()?.into_owned(),
        None => looked_up(&plain, dtype)?,
    };
    Ok((name, dims, dtype, bytes))
}

/// Nearest places in the type's table.
fn looked_up(plain: &Tensor, dtype: TensorType) -> Result<Vec<u8>> {
    let numbers: Vec<f32> = plain.flatten_all()?.to_vec1()?;
    let most = |x: &[f32]| x.iter().fold(1e-6f32, |most, x| most.max(x.abs()));
    let nibbles = |x: &[f32], d: f32, table: &[i8; 16]| -> Vec<u8> {
        let place = |x: f32| {
            let off = |place: &u8| (x - d * f32::from(table[usize::from(*place)])).abs();
            (0..16)
                .min_by(|a, b| off(a).total_cmp(&off(b)))
                .unwrap_or(0)
        };
        (0..16)
            .map(|k| place(x[k]) | place(x[k + 16]) << 4)
            .collect()
    };
    let mut out = Vec::new();
    for x in numbers.chunks_exact(dtype.block_size()) {
        match dtype {
            TensorType::Mxfp4 => {
                let e = (most(x) / 12.0).log2().ceil() as i32 + 128;
                out.push(e as u8);
                out.extend(nibbles(x, mxfp4_scale(e as u8), &MXFP4));
            }
            TensorType::Iq4Xs => {
                let d = half::f16::from_f32(most(x) / 127.0 / 31.0);
                let scale = |x: &[f32]| (most(x) / 127.0 / d.to_f32()).ceil().clamp(1.0, 31.0);
                let (mut low, mut high, mut quants) = ([0u8; 4], 0u16, Vec::new());
                for (sub, x) in x.chunks_exact(32).enumerate() {
                    let raised = scale(x) as u16 + 32;
                    low[sub / 2] |= ((raised & 15) as u8) << (4 * (sub % 2));
                    high |= (raised >> 4) << (2 * sub);
                    quants.extend(nibbles(x, d.to_f32() * scale(x), &IQ4));
                }
                out.extend(d.to_le_bytes());
                out.extend(high.to_le_bytes());
                out.extend(low);
                out.extend(quants);
            }
            _ => {
                let d = half::f16::from_f32(most(x) / 127.0);
                out.extend(d.to_le_bytes());
                out.extend(nibbles(x, d.to_f32(), &IQ4));
            }
        }
    }
    Ok(out)
}

/// A GGUF file of version 3.
fn file(keys: &[(String, Value)], tensors: &[Written]) -> Vec<u8> {
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((keys.len() as u64).to_le_bytes());
    for (key, of) in keys {
        text(&mut out, key);
        let (kind, bytes) = value(of);
        out.extend(kind.to_le_bytes());
        out.extend(bytes);
    }
    let mut offset = 0;
    for (name, dims, dtype, bytes) in tensors {
        text(&mut out, name);
        out.extend((dims.len() as u32).to_le_bytes());
        dims.iter()
            .rev()
            .for_each(|d| out.extend((*d as u64).to_le_bytes()));
        out.extend(dtype.id().to_le_bytes());
        out.extend((offset as u64).to_le_bytes());
        offset += bytes.len().next_multiple_of(ALIGNMENT);
    }
    for (.., bytes) in tensors {
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out.extend(bytes);
    }
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// The number of a value's type, and its bytes: of the types that tiny models have.
fn value(value: &Value) -> (u32, Vec<u8>) {
    match value {
        Value::U16(v) => (2, v.to_le_bytes().to_vec()),
        Value::U32(v) => (4, v.to_le_bytes().to_vec()),
        Value::I32(v) => (5, v.to_le_bytes().to_vec()),
        Value::F32(v) => (6, v.to_le_bytes().to_vec()),
        Value::Bool(v) => (7, vec![u8::from(*v)]),
        Value::Array(values) => {
            let all: Vec<_> = values.iter().map(self::value).collect();
            let mut out = all
                .first()
                .map_or(4u32, |(kind, _)| *kind)
                .to_le_bytes()
                .to_vec();
            out.extend((all.len() as u64).to_le_bytes());
            all.iter().for_each(|(_, bytes)| out.extend(bytes));
            (9, out)
        }
        other => {
            let mut out = Vec::new();
            text(&mut out, other.to_string().map_or("", String::as_str));
            (8, out)
        }
    }
}
