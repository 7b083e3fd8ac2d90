//! Products of packed weights with a few rows, in whole numbers: how a launch of `kernels/integers.inl` is laid out.

use crate::gpu::Grid;
use crate::model::gguf::TensorType;

/// Weights of a row that a warp takes at once, as the kernel counts them.
const JOB: usize = 2048;
/// Jobs of a warp that are on their way or looked at, and rows of weights at once.
const STAGES: usize = 2;
const AT_ONCE: usize = 2;
/// Most rows of inputs for which groups may have 16 warps; with more, a thread has too many numbers.
const LARGE: usize = 4;
/// Bytes that the kernel declares beside those that a launch asks for, at most.
const DECLARED: usize = 2048;

/// Whether weights of this type are multiplied as whole numbers.
pub fn is_packed(dtype: TensorType) -> bool {
    use TensorType::{BF16, F16, F32, Q8_1, Q8K};
    !matches!(dtype, F32 | F16 | BF16 | Q8_1 | Q8K)
}

/// What is multiplied.
pub struct Shape<'a> {
    /// Outputs and bytes of a row of each part.
    pub parts: &'a [(usize, usize)],
    pub inputs: usize,
    pub rows: usize,
    /// Outputs are gate and up, of which what comes is half as many.
    pub gated: bool,
}

/// A launch for some of the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// At once, a power of two: the kernel's form.
    pub rows: usize,
    /// Bytes that a job of a row of weights takes in shared memory.
    pub stage: usize,
    pub grid: Grid,
}

/// As few launches as there can be, of groups as large as there can be: each makes its inputs anew. `None` where not
/// even one row fits into `shared` bytes.
pub fn plan(shape: &Shape<'_>, multiprocessors: usize, shared: usize) -> Option<Plan> {
    let rows_of = |outputs: usize| match shape.gated {
        true => outputs / 2,
        false => outputs.div_ceil(AT_ONCE),
    };
    let tiles: usize = shape.parts.iter().map(|part| rows_of(part.0)).sum();
    let stages = shape.parts.iter().map(|part| stage(part.1, shape.inputs));
    let stage = stages.max()?;
    let most = shape.rows.next_power_of_two();
    let forms = std::iter::successors(Some(most), |rows| (*rows > 1).then_some(rows / 2));
    for rows in forms {
        for warps in [16, 8, 4] {
            if warps > 8 && (rows > LARGE || tiles <= 8 * multiprocessors) {
                continue;
            }
            let bytes = inputs(rows, shape.inputs) + warps * STAGES * AT_ONCE * stage;
            if bytes + DECLARED > shared {
                continue;
            }
            let groups = tiles.div_ceil(warps).min(multiprocessors);
            return Some(Plan {
                rows,
                stage,
                grid: Grid {
                    groups: [groups as u32, 1, 1],
                    threads: 32 * warps as u32,
                    shared: bytes as u32,
                },
            });
        }
    }
    None
}

/// Bytes of a job in rows of `row` bytes.
pub fn job(row: usize, inputs: usize) -> usize {
    row * JOB / inputs.max(1)
}

/// Of a job in shared memory, where it begins and ends anywhere in runs of 16.
fn stage(row: usize, inputs: usize) -> usize {
    job(row, inputs).min(row).next_multiple_of(16) + 16
}

/// Bytes of the inputs: 16 spare behind every 64, and of every 32 a scale and sums.
fn inputs(rows: usize, inputs: usize) -> usize {
    rows * inputs.div_ceil(64) * 80 + (rows * (inputs / 32) * 8).next_multiple_of(16)
}
