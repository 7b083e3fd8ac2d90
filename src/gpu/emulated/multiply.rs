//! Products by plain loops.

use candle_core::{Result, bail};
use half::{bf16, f16};

use super::memory::Memory;
use crate::gpu::driver::{Element, MatMul};

/// Sums that run side by side.
const SUMS: usize = 8;

pub fn multiply(memory: &mut Memory, product: &MatMul) -> Result<()> {
    let (rows, inputs, outputs) = (product.rows, product.inputs, product.outputs);
    if product.stride < outputs {
        bail!("rows of {outputs} numbers stand {} apart", product.stride);
    }
    let x = floats(memory, product.element, product.x, rows * inputs)?;
    let mut out = vec![0.0f32; rows * outputs];
    for o in 0..outputs {
        let at = product.weight + (o * inputs * product.element.bytes()) as u64;
        let weight = floats(memory, product.element, at, inputs)?;
        for row in 0..rows {
            out[row * outputs + o] = dot(&x[row * inputs..][..inputs], &weight);
        }
    }
    for (row, sums) in out.chunks_exact(outputs.max(1)).enumerate() {
        let at = product.out + (row * product.stride * 4) as u64;
        memory.write(at, bytemuck::cast_slice(sums))?;
    }
    Ok(())
}

fn floats(memory: &Memory, element: Element, at: u64, count: usize) -> Result<Vec<f32>> {
    Ok(match element {
        Element::F32 => memory.numbers::<f32>(at, count)?.to_vec(),
        Element::F16 => {
            let all = memory.numbers::<f16>(at, count)?;
            all.iter().map(|x| x.to_f32()).collect()
        }
        Element::BF16 => {
            let all = memory.numbers::<bf16>(at, count)?;
            all.iter().map(|x| x.to_f32()).collect()
        }
    })
}

fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [0.0f32; SUMS];
    let (xs, ys) = (x.chunks_exact(SUMS), y.chunks_exact(SUMS));
    let (left, right) = (xs.remainder(), ys.remainder());
    for (x, y) in xs.zip(ys) {
        for i in 0..SUMS {
            sums[i] += x[i] * y[i];
        }
    }
    let rest: f32 = left.iter().zip(right).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}
