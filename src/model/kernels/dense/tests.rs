use super::*;
use crate::model::kernels::attention::Level;
use crate::testing::random::Random;

/// A matrix of each kind, with its numbers.
fn matrix(dtype: TensorType, rows: usize, cols: usize) -> (DenseMatrix, Vec<f32>) {
    let mut random = Random::new(3);
    let w: Vec<f32> = (0..rows * cols).map(|_| random.normal()).collect();
    let bytes: Vec<u8> = match dtype {
        TensorType::F16 => w
            .iter()
            .flat_map(|w| f16::from_f32(*w).to_le_bytes())
            .collect(),
        TensorType::BF16 => w
            .iter()
            .flat_map(|w| bf16::from_f32(*w).to_le_bytes())
            .collect(),
        _ => w.iter().flat_map(|w| w.to_le_bytes()).collect(),
    };
    let w = quants::dequantize(dtype, &bytes).unwrap();
    (
        DenseMatrix::from_ggml(dtype, rows, cols, &bytes).unwrap(),
        w,
    )
}

const KINDS: [TensorType; 3] = [TensorType::F32, TensorType::F16, TensorType::BF16];

#[cfg_attr(miri, ignore = "takes too long")]
#[test]
fn products_are_those_of_the_numbers_and_the_same_beside_others() {
    let pool = Pool::new(2);
    for dtype in KINDS {
        for (rows, cols) in [(1, 8), (17, 40), (35, 576), (8, 1100)] {
            let (matrix, w) = matrix(dtype, rows, cols);
            let mut random = Random::new(5);
            let x: Vec<f32> = (0..70 * cols).map(|_| random.normal()).collect();
            for level in Level::available() {
                let mut alone = vec![f32::NAN; 70 * rows];
                for (x, out) in x.chunks(cols).zip(alone.chunks_mut(rows)) {
                    product::product(level, &matrix, &pool, x, out);
                }
                for (i, out) in alone.iter().enumerate() {
                    let x = &x[i / rows * cols..][..cols];
                    let w = &w[i % rows * cols..][..cols];
                    let products = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w));
                    let right: f64 = products.sum();
                    let off = (f64::from(*out) - right).abs() / (cols as f64).sqrt();
                    assert!(off < 5e-6, "{dtype} {level:?} {rows} × {cols}: {off}");
                }
                for m in [3, 9, 70] {
                    let mut beside = vec![f32::NAN; m * rows];
                    product::product(level, &matrix, &pool, &x[..m * cols], &mut beside);
                    assert_eq!(beside, alone[..m * rows], "{dtype} {level:?} {m}");
                }
            }
        }
    }
}

#[test]
fn rows_come_back_and_stacks_stand_side_by_side() {
    let pool = Pool::new(1);
    let cols = 100;
    let parts = KINDS.map(|dtype| matrix(dtype, 9, cols));
    let stack = DenseMatrix::concat(parts.iter().map(|(matrix, _)| matrix.clone())).unwrap();
    assert_eq!((stack.rows(), stack.cols()), (27, cols));
    // Halves stay halves.
    assert_eq!(stack.bytes(), 9 * (7 + 4 + 4) * 64);
    let mut row = vec![0.0; cols];
    for (i, (_, w)) in parts.iter().enumerate() {
        stack.dequantize_row(9 * i + 8, &mut row);
        assert_eq!(row, w[8 * cols..]);
    }
    let x = vec![0.5; 2 * cols];
    let mut all = vec![0.0; 2 * 27];
    stack.matmul(&pool, &x, &mut all);
    let mut one = vec![0.0; 2 * 9];
    parts[1].0.matmul(&pool, &x, &mut one);
    assert_eq!((&all[9..18], &all[36..45]), (&one[..9], &one[9..]));
    let (narrow, _) = matrix(TensorType::F32, 1, 8);
    assert!(DenseMatrix::concat([stack, narrow]).is_err());
    assert!(DenseMatrix::from_ggml(TensorType::F16, 2, 8, &[0; 31]).is_err());
    assert!(DenseMatrix::from_ggml(TensorType::Q8_0, 1, 8, &[0; 34]).is_err());
    // What has blocks is dequantised.
    let block = DenseMatrix::from_ggml(TensorType::Q8_0, 2, 32, &[60; 68]).unwrap();
    assert_eq!(block.bytes(), 2 * 128);
}
