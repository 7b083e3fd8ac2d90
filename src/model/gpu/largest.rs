//! The largest numbers of a row, found on the device, so that little of the row is read.

use candle_core::Result;

use super::attention::KEPT;
use super::rows::Rows;
use crate::gpu::driver::{Kernel, Limits, Variant};
use crate::gpu::{Grid, args};
use crate::model::logits::Largest;

/// How many: with what stands before them less than 1 KiB.
const WANTED: usize = 120;
/// Numbers of a run, of which each group leaves one.
const RUN: usize = 128;
/// Numbers that a group sorts at once.
const SHARE: usize = 2048;
/// More groups are no faster.
const GROUPS: usize = 64;

/// Groups whose runs, a power of two of them, fit the memory that a group shares.
fn most(limits: Limits) -> usize {
    let runs = (limits.shared - KEPT) as usize / (RUN * size_of::<u64>());
    GROUPS.min(1 << runs.max(1).ilog2())
}

/// Of one row.
pub fn largest(x: &Rows) -> Result<Largest> {
    let gpu = x.gpu();
    let (count, wanted) = (x.width, x.width.min(WANTED));
    let groups = count.div_ceil(SHARE).clamp(1, most(gpu.driver().limits()));
    let runs = groups.next_power_of_two();
    let parts = gpu.buffer(groups * RUN * size_of::<u64>())?;
    let odd = gpu.buffer(groups * size_of::<u32>())?;
    let bytes = (2 + 2 * wanted) * size_of::<u32>();
    let out = gpu.buffer(bytes)?;
    let arguments = args::Largest {
        x: x.at()?,
        parts: parts.at(),
        odd: odd.at(),
        out: out.at(),
        count: count as u32,
        share: count.div_ceil(groups) as u32,
        groups: groups as u32,
        wanted: wanted as u32,
    };
    let grid = Grid::of([groups as u32, 1, 1], 256);
    gpu.launch(Kernel::LargestParts, Variant::Only, grid, &arguments)?;
    let grid = Grid {
        groups: [1, 1, 1],
        threads: (64 * runs).min(512) as u32,
        shared: (runs * RUN * size_of::<u64>()) as u32,
    };
    gpu.launch(Kernel::LargestOfAll, Variant::Only, grid, &arguments)?;
    let read = gpu.read(out.at(), bytes)?;
    let words = read.as_chunks::<4>().0.iter();
    let words: Vec<u32> = words.map(|bytes| u32::from_ne_bytes(*bytes)).collect();
    let (odd, pairs) = words.split_at(2);
    let pairs = pairs.as_chunks::<2>().0.iter();
    Ok(Largest {
        found: pairs.map(|&[x, id]| (f32::from_bits(x), id)).collect(),
        finite: odd[0] == 0,
    })
}
