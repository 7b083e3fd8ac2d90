mod kernels;

use super::*;
use crate::model::kernels::pool::Pool;
use candle_core::quantized::GgmlDType;
use candle_core::{
    Device, Tensor,
    quantized::{QTensor, ggml_file::qtensor_from_ggml},
};

/// Rows that are multiplied at once; a checker of memory gets through few (`.ci/run miri`).
const MANY: &[usize] = if cfg!(miri) { &[2] } else { &[1, 3, 70] };

/// Deterministic numbers in -1..1.
pub(super) fn noise(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_769) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as i32 as f32 / 2_147_483_648.0
        })
        .collect()
}

/// A tensor in a GGML dtype: its bytes, and its weights as candle dequantises them.
pub(super) fn tensor(dtype: GgmlDType, rows: usize, cols: usize, seed: u32) -> (Vec<u8>, Vec<f32>) {
    let w = Tensor::from_vec(noise(rows * cols, seed), (rows, cols), &Device::Cpu).unwrap();
    let q = QTensor::quantize(&w, dtype).unwrap();
    let bytes = q.data().unwrap().into_owned();
    let w = qtensor_from_ggml(dtype, &bytes, vec![rows, cols], &Device::Cpu)
        .and_then(|q| q.dequantize(&Device::Cpu))
        .and_then(|t| t.flatten_all()?.to_vec1())
        .unwrap();
    (bytes, w)
}

fn dequantized(matrix: &PackedMatrix) -> Vec<f32> {
    let mut all = vec![0.0; matrix.rows() * matrix.cols()];
    for (row, out) in all.chunks_exact_mut(matrix.cols()).enumerate() {
        matrix.dequantize_row(row, out);
    }
    all
}

pub(super) fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let max = |max: f32, (a, b): (&f32, &f32)| max.max((a - b).abs());
    a.iter().zip(b).fold(0.0, max)
}

pub(super) fn reference(w: &[f32], cols: usize, x: &[f32]) -> Vec<f32> {
    let dot = |x: &[f32], w: &[f32]| -> f64 {
        x.iter()
            .zip(w)
            .map(|(x, w)| f64::from(*x) * f64::from(*w))
            .sum()
    };
    x.chunks(cols)
        .flat_map(|x| w.chunks(cols).map(move |w| dot(x, w) as f32))
        .collect()
}

const LOSSLESS: [GgmlDType; 8] = [
    GgmlDType::Q4_0,
    GgmlDType::Q4_1,
    GgmlDType::Q5_0,
    GgmlDType::Q5_1,
    GgmlDType::Q8_0,
    GgmlDType::Q4K,
    GgmlDType::Q5K,
    GgmlDType::Q6K,
];

#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn formats_are_packed_without_loss() {
    for dtype in LOSSLESS {
        let k = dtype.block_size() == 256;
        // Groups of blocks that are full, and that are not.
        for cols in if k { [256, 768] } else { [96, 128] } {
            let (bytes, w) = tensor(dtype, 19, cols, 1);
            let packed = PackedMatrix::from_ggml(dtype, 19, cols, &bytes).unwrap();
            let distance = distance(&dequantized(&packed), &w);
            assert!(distance < 3e-7, "{dtype:?} {cols}: {distance}");
        }
    }
}

/// Weights take no more memory than in their file; of `Q6_K`, half a line in 53 is left empty.
#[test]
fn packed_weights_are_no_larger_than_their_file() {
    use TensorType::{Iq4Nl, Iq4Xs, Mxfp4};
    let candle = LOSSLESS.map(TensorType::from);
    for dtype in candle.into_iter().chain([Iq4Nl, Iq4Xs, Mxfp4]) {
        let (rows, cols) = (32, 512);
        let file = rows * cols / dtype.block_size() * dtype.type_size();
        let data = vec![0; file];
        let packed = PackedMatrix::from_ggml(dtype, rows, cols, &data).unwrap();
        let more = packed.bytes() as f64 / file as f64;
        let bound = if dtype == TensorType::Q6K { 1.01 } else { 1.0 };
        assert!(more <= bound, "{dtype}: {more}");
    }
}

/// Any bytes are good quants; the scales are set to what weights have.
pub(super) fn table_tensor(
    dtype: TensorType,
    rows: usize,
    cols: usize,
    seed: u32,
) -> (Vec<u8>, Vec<f32>) {
    let blocks = rows * cols / dtype.block_size();
    let random = noise(blocks * dtype.type_size(), seed);
    let mut bytes: Vec<u8> = random.iter().map(|x| (x.abs() * 256.0) as u8).collect();
    for (i, block) in bytes.chunks_exact_mut(dtype.type_size()).enumerate() {
        match dtype {
            TensorType::Mxfp4 => block[0] = 116 + (i % 5) as u8,
            _ => block[..2]
                .copy_from_slice(&half::f16::from_f32(0.002 + 1e-4 * i as f32).to_le_bytes()),
        }
    }
    let w = crate::model::gguf::quants::dequantize(dtype, &bytes).unwrap();
    (bytes, w)
}

#[test]
fn formats_with_a_table_are_packed_without_loss_and_multiplied() {
    use TensorType::{Iq4Nl, Iq4Xs, Mxfp4};
    let pool = Pool::new(3);
    for dtype in [Iq4Nl, Iq4Xs, Mxfp4] {
        for &m in MANY {
            let (rows, cols) = if cfg!(miri) { (3, 256) } else { (35, 512) };
            let (bytes, w) = table_tensor(dtype, rows, cols, 5);
            let packed = PackedMatrix::from_ggml(dtype, rows, cols, &bytes).unwrap();
            let largest = w.iter().fold(0f32, |a, w| a.max(w.abs()));
            let off = distance(&dequantized(&packed), &w);
            assert!(off <= 3e-7 * largest, "{dtype}: {off}");
            let x = noise(m * cols, 4);
            let mut out = vec![0.0; m * rows];
            packed.matmul_in(Precision::Sixteen, &pool, &x, &mut out);
            let right = reference(&w, cols, &x);
            let off = distance(&out, &right);
            assert!(
                off < 1e-3 * largest * (cols as f32).sqrt(),
                "{dtype} {m}: {off}"
            );
        }
    }
}

#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn what_is_quantised_again_loses_less_than_its_own_step() {
    for (dtype, bound) in [
        (GgmlDType::Q2K, 5e-3),
        (GgmlDType::Q3K, 5e-3),
        (GgmlDType::F32, 5e-3),
        (GgmlDType::F16, 5e-3),
        (GgmlDType::BF16, 5e-3),
    ] {
        let (bytes, w) = tensor(dtype, 5, 512, 2);
        let packed = PackedMatrix::from_ggml(dtype, 5, 512, &bytes).unwrap();
        let distance = distance(&dequantized(&packed), &w);
        assert!(distance < bound, "{dtype:?}: {distance}");
    }
}

#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn product_agrees_with_f32_whatever_the_shape() {
    let pool = Pool::new(3);
    use GgmlDType::{Q4_1, Q4K, Q5_0, Q6K, Q8_0};
    for dtype in [Q4_1, Q8_0, Q5_0, Q4K, Q6K] {
        for (m, rows, cols) in [
            (1, 16, 32),
            (1, 5, 64),
            (3, 33, 96),
            (67, 50, 64),
            (130, 16, 32),
        ] {
            let cols = cols * dtype.block_size() / BLOCK;
            let (bytes, w) = tensor(dtype, rows, cols, 3);
            let packed = PackedMatrix::from_ggml(dtype, rows, cols, &bytes).unwrap();
            let x = noise(m * cols, 4);
            let mut out = vec![f32::NAN; m * rows];
            packed.matmul(&pool, &x, &mut out);
            let distance = distance(&out, &reference(&w, cols, &x));
            // Activations are off by at most half a step of 1/127 each, at random.
            let bound = 4.0 * 0.5 / 127.0 / 3f32.sqrt() * (cols as f32).sqrt();
            assert!(
                distance < bound,
                "{dtype:?} {m}×{rows}×{cols}: {distance} > {bound}"
            );
        }
    }
}

#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn a_channel_far_above_the_others_does_not_drown_its_neighbours() {
    let pool = Pool::new(3);
    let (rows, cols, m) = (40, 8 * BLOCK, 70);
    let (bytes, w) = tensor(GgmlDType::Q8_0, rows, cols, 3);
    let packed = PackedMatrix::from_ggml(GgmlDType::Q8_0, rows, cols, &bytes).unwrap();
    let mut x = noise(m * cols, 4);
    // Every third row has one.
    let loud = 3 * BLOCK + 7;
    for row in x.chunks_exact_mut(cols).step_by(3) {
        row[loud] = 300.0;
    }
    let mut out = vec![0.0; m * rows];
    packed.matmul(&pool, &x, &mut out);
    let off = distance(&out, &reference(&w, cols, &x));
    // As without it: half a step of 1/127 each, at random. Its own step of 300/127 would be 300 times that.
    let bound = 4.0 * 0.5 / 127.0 / 3f32.sqrt() * (cols as f32).sqrt();
    assert!(off < bound, "{off} > {bound}");
}

#[cfg_attr(
    miri,
    ignore = "candle quantises through references that are not aligned"
)]
#[test]
fn fine_products_are_those_of_16_bit_activations() {
    let pool = Pool::new(3);
    for &m in MANY {
        let (rows, cols) = (20, 96);
        let (bytes, w) = tensor(GgmlDType::Q4_1, rows, cols, 3);
        let packed = PackedMatrix::from_ggml(GgmlDType::Q4_1, rows, cols, &bytes).unwrap();
        let x = noise(m * cols, 4);
        let mut out = vec![0.0; m * rows];
        packed.matmul_in(Precision::Sixteen, &pool, &x, &mut out);
        let off = distance(&out, &reference(&w, cols, &x));
        assert!(off < 1e-3, "m = {m}: {off}");
    }
}

#[cfg_attr(
    miri,
    ignore = "candle quantises through references that are not aligned"
)]
#[test]
fn stacked_tensors_give_their_outputs_side_by_side() {
    let pool = Pool::new(2);
    let cols = 256;
    let tensors: Vec<_> = [
        (GgmlDType::Q4K, 20),
        (GgmlDType::Q6K, 7),
        (GgmlDType::Q4_0, 32),
    ]
    .map(|(dtype, rows)| (dtype, rows, tensor(dtype, rows, cols, rows as u32).0))
    .into();
    let parts: Vec<_> = tensors
        .iter()
        .map(|(dtype, rows, bytes)| PackedMatrix::from_ggml(*dtype, *rows, cols, bytes).unwrap())
        .collect();
    let stack = PackedMatrix::concat(parts.clone()).unwrap();
    assert_eq!((stack.rows(), stack.cols()), (59, cols));

    let x = noise(2 * cols, 9);
    let mut out = vec![0.0; 2 * 59];
    stack.matmul(&pool, &x, &mut out);
    let mut first = 0;
    for part in &parts {
        let mut alone = vec![0.0; 2 * part.rows()];
        part.matmul(&pool, &x, &mut alone);
        for (i, alone) in alone.chunks(part.rows()).enumerate() {
            assert_eq!(&out[i * 59 + first..][..part.rows()], alone);
        }
        let (mut a, mut b) = (vec![0.0; cols], vec![0.0; cols]);
        stack.dequantize_row(first + part.rows() - 1, &mut a);
        part.dequantize_row(part.rows() - 1, &mut b);
        assert_eq!(a, b);
        first += part.rows();
    }
    let narrow = PackedMatrix::from_ggml(GgmlDType::F32, 1, 32, &[0; 128]).unwrap();
    assert!(PackedMatrix::concat([stack, narrow]).is_err());
}

#[test]
fn what_cannot_be_packed_is_refused() {
    let columns = PackedMatrix::from_ggml(GgmlDType::F32, 1, 40, &[0; 160]);
    assert!(matches!(columns, Err(PackError::Columns(40, _))));
    let blocks = PackedMatrix::from_ggml(GgmlDType::Q4K, 1, 32, &[0; 18]);
    assert!(matches!(blocks, Err(PackError::Columns(32, _))));
    let size = PackedMatrix::from_ggml(GgmlDType::Q8_0, 2, 32, &[0; 34]);
    assert!(matches!(size, Err(PackError::Size { .. })));
}

#[cfg_attr(
    miri,
    ignore = "candle quantises through references that are not aligned"
)]
#[test]
fn a_broken_activation_spoils_its_own_row_only() {
    let pool = Pool::new(1);
    let (bytes, w) = tensor(GgmlDType::Q4_1, 16, 64, 5);
    let packed = PackedMatrix::from_ggml(GgmlDType::Q4_1, 16, 64, &bytes).unwrap();
    for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = noise(3 * 64, 6);
        x[64 + 7] = broken;
        let mut out = vec![0.0; 3 * 16];
        packed.matmul(&pool, &x, &mut out);
        assert!(out[16..32].iter().all(|y| y.is_nan()));
        let want = reference(&w, 64, &x);
        assert!(distance(&out[..16], &want[..16]) < 0.2);
        assert!(distance(&out[32..], &want[32..]) < 0.2);
    }
    // Numbers too small for an int8 scale count as zero.
    let mut out = vec![1.0; 16];
    packed.matmul(&pool, &[1e-40; 64], &mut out);
    assert_eq!(out, [0.0; 16]);
}
