//! The matrix unit's products against f32, where there is one.

use crate::model::gguf::TensorType;
use crate::model::kernels::amx;
use crate::model::kernels::packed::tests::{distance, noise, reference, table_tensor, tensor};
use crate::model::kernels::packed::{PackedMatrix, Precision};
use crate::model::kernels::pool::Pool;
use candle_core::quantized::GgmlDType;

/// Whether there is anything to test.
fn there_is_a_unit() -> bool {
    if !amx::available() {
        println!("this CPU has no AMX");
    }
    amx::available()
}

/// Both factors are off by at most 2⁻⁹ of each number, at random.
fn bound(w: &[f32], cols: usize) -> f32 {
    let largest = w.iter().fold(0f32, |a, w| a.max(w.abs()));
    largest * (cols as f32).sqrt() / 256.0
}

fn product(matrix: &PackedMatrix, pool: &Pool, x: &[f32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; x.len() / matrix.cols() * matrix.rows()];
    matrix.matmul_in(Precision::Many, pool, x, &mut out);
    out
}

#[test]
fn every_form_agrees_with_f32_whatever_the_shape() {
    if !there_is_a_unit() {
        return;
    }
    let pool = Pool::new(3);
    use GgmlDType::{Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0};
    use TensorType::{Iq4Nl, Iq4Xs, Mxfp4};
    let candle = [Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4K, Q5K, Q6K].map(TensorType::from);
    for dtype in candle.into_iter().chain([Iq4Nl, Iq4Xs, Mxfp4]) {
        // Depths of one pass and of several, last ones of one block, and parts of tiles and of pairs of them.
        for (m, rows, blocks) in [
            (1, 16, 1),
            (3, 5, 3),
            (33, 50, 9),
            (70, 131, 65),
            (257, 33, 80),
        ] {
            let cols = blocks * dtype.block_size().max(32);
            let (bytes, w) = match dtype.candle() {
                Some(candle) => tensor(candle, rows, cols, 3),
                None => table_tensor(dtype, rows, cols, 3),
            };
            let matrix = PackedMatrix::from_ggml(dtype, rows, cols, &bytes).unwrap();
            let x = noise(m * cols, 4);
            let off = distance(&product(&matrix, &pool, &x), &reference(&w, cols, &x));
            let bound = bound(&w, cols);
            assert!(off < bound, "{dtype} {m}×{rows}×{cols}: {off} > {bound}");
        }
    }
}

/// A text that is read at once and one whose end is read later must come to the same.
#[test]
fn a_row_is_the_same_whatever_rows_are_beside_it() {
    if !there_is_a_unit() {
        return;
    }
    let (rows, cols) = (70, 2816);
    let (bytes, _) = tensor(GgmlDType::Q4K, rows, cols, 5);
    let matrix = PackedMatrix::from_ggml(GgmlDType::Q4K, rows, cols, &bytes).unwrap();
    let x = noise(300 * cols, 6);
    let all = product(&matrix, &Pool::new(2), &x);
    for some in [0..1, 7..40, 299..300, 100..300] {
        let x = &x[some.start * cols..some.end * cols];
        let alone = product(&matrix, &Pool::new(3), x);
        assert_eq!(alone, all[some.start * rows..some.end * rows], "{some:?}");
    }
}

#[test]
fn a_broken_activation_spoils_its_own_row_only() {
    if !there_is_a_unit() {
        return;
    }
    let (bytes, w) = tensor(GgmlDType::Q4_1, 40, 64, 5);
    let matrix = PackedMatrix::from_ggml(GgmlDType::Q4_1, 40, 64, &bytes).unwrap();
    for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
        let mut x = noise(3 * 64, 6);
        x[64 + 7] = broken;
        let out = product(&matrix, &Pool::new(1), &x);
        assert!(out[40..80].iter().all(|y| y.is_nan()));
        let want = reference(&w, 64, &x);
        assert!(distance(&out[..40], &want[..40]) < 0.2);
        assert!(distance(&out[80..], &want[80..]) < 0.2);
    }
}
