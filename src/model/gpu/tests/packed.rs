//! Products in whole numbers: what they may be off by is what eight bits of the inputs leave, and nothing else.

use std::sync::Arc;

use half::f16;

use super::against_host::emulated;
use crate::gpu::Gpu;
use crate::gpu::emulated::Emulated;
use crate::model::gguf::{TensorType, quants};
use crate::model::gpu::linear::{Linear, Precision};
use crate::model::gpu::packed::{Plan, Shape, plan};
use crate::model::gpu::rows::{Op, Rows, Waits};
use crate::testing::random::Random;

/// Types, and where their blocks have numbers of two bytes or an exponent.
const TYPES: [(TensorType, &[usize], Option<usize>); 13] = [
    (TensorType::Q4_0, &[0], None),
    (TensorType::Q4_1, &[0, 2], None),
    (TensorType::Q5_0, &[0], None),
    (TensorType::Q5_1, &[0, 2], None),
    (TensorType::Q8_0, &[0], None),
    (TensorType::Q2K, &[80, 82], None),
    (TensorType::Q3K, &[108], None),
    (TensorType::Q4K, &[0, 2], None),
    (TensorType::Q5K, &[0, 2], None),
    (TensorType::Q6K, &[208], None),
    (TensorType::Iq4Nl, &[0], None),
    (TensorType::Iq4Xs, &[0], None),
    (TensorType::Mxfp4, &[], Some(0)),
];

const PACKED: Precision = Precision {
    exact: false,
    half: true,
};

/// Any bits, but scales that are small numbers.
pub fn any(random: &mut Random, dtype: TensorType, weights: usize) -> Vec<u8> {
    let (_, halves, exponent) = TYPES[TYPES.iter().position(|t| t.0 == dtype).unwrap()];
    let mut bytes = vec![0; dtype.bytes(weights).unwrap()];
    bytes.fill_with(|| random.next_u64() as u8);
    for block in bytes.chunks_mut(dtype.type_size()) {
        for &at in halves {
            let scale = f16::from_f32(0.003 * (0.5 + random.unit()));
            block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
        }
        if let Some(at) = exponent {
            block[at] = 118 + random.below(4) as u8;
        }
    }
    bytes
}

struct Matrix {
    gpu: Arc<Gpu>,
    linear: Linear,
    /// Row by row.
    weights: Vec<f32>,
    inputs: usize,
}

impl Matrix {
    fn new(parts: &[(TensorType, usize)], inputs: usize, random: &mut Random) -> Matrix {
        let bytes: Vec<_> = parts
            .iter()
            .map(|(dtype, outputs)| any(random, *dtype, outputs * inputs))
            .collect();
        let matrices: Vec<_> = parts
            .iter()
            .zip(&bytes)
            .map(|((dtype, outputs), bytes)| (*dtype, *outputs, &bytes[..]))
            .collect();
        let gpu = emulated(random.next_u64());
        Matrix {
            linear: Linear::of(&gpu, &matrices, inputs, PACKED).unwrap(),
            weights: matrices
                .iter()
                .flat_map(|(dtype, _, bytes)| quants::dequantize(*dtype, bytes).unwrap())
                .collect(),
            gpu,
            inputs,
        }
    }

    /// Each output of a row of inputs, and how far off it may be: half a step of each input times its weight, where
    /// 127 steps are the largest of 32 inputs.
    fn expected(&self, x: &[f32]) -> Vec<(f64, f64)> {
        let steps: Vec<f64> = x
            .chunks(32)
            .map(|x| f64::from(x.iter().fold(0.0f32, |most, x| most.max(x.abs()))) / 127.0)
            .collect();
        let of = |row: &[f32]| {
            let mut sum = (0.0, 0.0);
            for (i, (w, x)) in row.iter().zip(x).enumerate() {
                let (w, x) = (f64::from(*w), f64::from(*x));
                sum.0 += w * x;
                sum.1 += w.abs() * (0.501 * steps[i / 32] + 1e-5 * x.abs());
            }
            sum
        };
        self.weights.chunks(self.inputs).map(of).collect()
    }
}

fn normal(random: &mut Random, count: usize) -> Vec<f32> {
    (0..count).map(|_| random.normal()).collect()
}

#[test]
fn every_type_gives_what_its_weights_and_eight_bits_of_its_inputs_give() {
    let mut random = Random::new(1);
    for (dtype, ..) in TYPES {
        let (small, others) = match dtype.block_size() {
            256 => ([256, 768, 4352], [TensorType::Q6K, TensorType::Q4K]),
            _ => ([32, 608, 2080], [TensorType::Q4_1, TensorType::Q8_0]),
        };
        for (turn, inputs) in small.into_iter().enumerate() {
            let parts = [(dtype, 11), (others[0], 5), (others[1], 3)];
            let matrix = Matrix::new(&parts[..3 - turn % 2], inputs, &mut random);
            for rows in 1..=8 {
                let x = normal(&mut random, rows * inputs);
                let input = Rows::upload(&matrix.gpu, &x, rows).unwrap();
                let got = matrix.linear.forward(&input).unwrap().read().unwrap();
                let outputs = matrix.linear.outputs();
                for (r, got) in got.chunks(outputs).enumerate() {
                    let expected = matrix.expected(&x[r * inputs..][..inputs]);
                    for (o, ((exact, bound), got)) in expected.into_iter().zip(got).enumerate() {
                        let off = (exact - f64::from(*got)).abs();
                        assert!(
                            off <= bound,
                            "{dtype:?}, {inputs} inputs, row {r} of {rows}, output {o}: {got} for {exact}"
                        );
                    }
                }
            }
        }
    }
}

/// Small whole numbers of which the largest of each 32 is 127 are exact in eight bits, and so is all that comes of them.
#[test]
fn what_fits_into_eight_bits_is_exact() {
    let mut random = Random::new(2);
    let inputs = 512;
    let matrix = Matrix::new(&[(TensorType::Q8_0, 8)], inputs, &mut random);
    let mut x: Vec<f32> = (0..inputs)
        .map(|_| random.below(255) as f32 - 127.0)
        .collect();
    x.chunks_mut(32).for_each(|x| x[7] = -127.0);
    let input = Rows::upload(&matrix.gpu, &x, 1).unwrap();
    let got = matrix.linear.forward(&input).unwrap().read().unwrap();
    for ((exact, _), got) in matrix.expected(&x).into_iter().zip(got) {
        assert!((exact - f64::from(got)).abs() <= 1e-5 * exact.abs().max(1.0));
    }
}

#[test]
fn a_norm_before_and_rows_behind_are_part_of_the_product() {
    let mut random = Random::new(3);
    let (inputs, outputs) = (768, 40);
    let matrix = Matrix::new(&[(TensorType::Q4K, outputs)], inputs, &mut random);
    for rows in [1, 3] {
        let (x, plus) = (
            normal(&mut random, rows * inputs),
            normal(&mut random, rows * outputs),
        );
        let weight: Vec<f32> = (0..inputs).map(|_| 1.0 + 0.2 * random.normal()).collect();
        let waits = Waits::Norm {
            x: Rows::upload(&matrix.gpu, &x, rows).unwrap(),
            weight: Arc::new(matrix.gpu.upload(&weight).unwrap()),
            epsilon: 1e-5,
        };
        let normed = Rows::waiting(&matrix.gpu, waits, rows, inputs);
        let product = matrix.linear.forward(&normed).unwrap();
        let out = Rows::upload(&matrix.gpu, &plus, rows).unwrap();
        let got = out.with(Op::Add, Some(&product)).unwrap().read().unwrap();
        for (r, got) in got.chunks(outputs).enumerate() {
            let x = &x[r * inputs..][..inputs];
            let mean = x.iter().map(|x| x * x).sum::<f32>() / inputs as f32;
            let by = 1.0 / (mean + 1e-5).sqrt();
            let x: Vec<f32> = x.iter().zip(&weight).map(|(x, w)| x * by * w).collect();
            let expected = matrix.expected(&x).into_iter().zip(&plus[r * outputs..]);
            for (((exact, bound), plus), got) in expected.zip(got) {
                let off = (exact + f64::from(*plus) - f64::from(*got)).abs();
                assert!(off <= bound + 1e-4, "{off} of {bound}");
            }
        }
    }
}

#[test]
fn a_gate_behind_is_part_of_the_product() {
    let mut random = Random::new(4);
    let (inputs, outputs) = (512, 36);
    let device = Arc::new(Emulated::new(5).unwrap());
    let gpu = Gpu::new(Box::new(device.clone()));
    for dtype in [TensorType::Q4K, TensorType::Q6K] {
        let bytes = any(&mut random, dtype, 2 * outputs * inputs);
        let stacked = [(dtype, 2 * outputs, &bytes[..])];
        let linear = Linear::of(&gpu, &stacked, inputs, PACKED).unwrap();
        for rows in [1, 2, 5] {
            let x = normal(&mut random, rows * inputs);
            let input = Rows::upload(&gpu, &x, rows).unwrap();
            let alone = linear.forward(&input).unwrap().read().unwrap();
            for gate in 0..3 {
                let waits = Waits::Gate {
                    x: linear.forward(&input).unwrap(),
                    gate,
                };
                let gated = Rows::waiting(&gpu, waits, rows, outputs);
                let before = device.counts().launches;
                let got = gated.read().unwrap();
                assert_eq!(device.counts().launches - before, 1);
                // As it is where the product was looked at first.
                let waits = Waits::Gate {
                    x: Rows::upload(&gpu, &alone, rows).unwrap(),
                    gate,
                };
                let expected = Rows::waiting(&gpu, waits, rows, outputs);
                assert_eq!(got, expected.read().unwrap(), "{dtype:?}, {gate}");
            }
        }
    }
}

/// The row that has it shows it everywhere, and no other row does.
#[test]
fn what_is_no_number_is_not_hidden() {
    let mut random = Random::new(6);
    for (dtype, ..) in TYPES {
        let inputs = 512;
        let matrix = Matrix::new(&[(dtype, 9)], inputs, &mut random);
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN] {
            let mut x = normal(&mut random, 3 * inputs);
            x[inputs + random.below(inputs)] = odd;
            let input = Rows::upload(&matrix.gpu, &x, 3).unwrap();
            let got = matrix.linear.forward(&input).unwrap().read().unwrap();
            for (i, got) in got.iter().enumerate() {
                assert_eq!(got.is_finite(), i / 9 != 1, "{dtype:?}, {odd}: {got}");
            }
        }
        // Nothing, and what is too small to be divided by, give nothing.
        let x = vec![1e-41; inputs];
        let input = Rows::upload(&matrix.gpu, &x, 1).unwrap();
        let got = matrix.linear.forward(&input).unwrap().read().unwrap();
        assert!(got.iter().all(|y| y.abs() < 1e-30), "{got:?}");
    }
}

fn planned(parts: &[(usize, usize)], inputs: usize, rows: usize, shared: usize) -> Option<Plan> {
    let shape = Shape {
        parts,
        inputs,
        rows,
        gated: false,
    };
    plan(&shape, 132, shared)
}

/// What an 8B model has, on cards that share least and most: no launch shares more than there is, a token's are launched
/// once, and groups are no more than run side by side.
#[test]
fn launches_fit_the_card() {
    const Q4K: usize = 144;
    const Q6K: usize = 210;
    for shared in [99 << 10, 163 << 10, 227 << 10] {
        for (outputs, inputs) in [(6144, 4096), (4096, 4096), (28_672, 4096), (4096, 14_336)] {
            for block in [Q4K, Q6K] {
                let parts = [(outputs, inputs / 256 * block)];
                for rows in 1..=8 {
                    let plan = planned(&parts, inputs, rows, shared).unwrap();
                    assert!(plan.grid.shared as usize <= shared);
                    assert!(plan.grid.groups[0] <= 132 && plan.rows <= rows.next_power_of_two());
                    if rows == 1 {
                        assert_eq!((plan.rows, plan.grid.threads >= 256), (1, true));
                    }
                }
            }
        }
    }
    // Eight rows of a wide matrix: at once where there is room.
    let down = [(4096, 14_336 / 256 * Q4K)];
    let rows = |shared| planned(&down, 14_336, 8, shared).unwrap().rows;
    assert!(rows(227 << 10) > rows(99 << 10));
    // Not even one row: the kernel for plain numbers takes it.
    assert_eq!(planned(&[(4096, 1 << 20)], 1 << 21, 1, 99 << 10), None);
}
