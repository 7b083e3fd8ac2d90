//! Products with few rows, with what stands before and behind them in the same launch.

use candle_core::Result;

use super::linear::{Weights, at};
use super::packed::{self, Plan, Shape};
use super::rows::{Few, Product, Waits};
use crate::gpu::driver::{Kernel, Variant};
use crate::gpu::{Grid, args};

/// Inputs up to which a gate before a product is part of it.
const GATED: usize = 4096;

/// What a product reads, and what is done to it then.
#[derive(Default)]
struct Before {
    x: u64,
    norm: u64,
    epsilon: f32,
    /// One more than the gate's number.
    gate: u32,
}

impl Product for Weights {
    fn few(&self, few: &Few<'_>) -> Result<()> {
        let before = self.before(few)?;
        match self.plan(few.x.rows, few.gate.is_some()) {
            Some(plan) => self.packed(few, &before, &plan),
            None => self.unpacked(few, &before),
        }
    }

    fn gates(&self, rows: usize) -> bool {
        let one = self.parts.len() == 1 && self.outputs.is_multiple_of(2);
        one && self.plan(rows, true).is_some()
    }
}

impl Weights {
    /// How whole numbers are multiplied, where all weights are packed ones and the device can.
    fn plan(&self, rows: usize, gated: bool) -> Option<Plan> {
        let driver = self.gpu.driver();
        let limits = driver.limits();
        if !limits.integers || !self.parts.iter().all(|part| packed::is_packed(part.format)) {
            return None;
        }
        let parts = self.parts.iter().map(|part| (part.outputs, part.row_bytes));
        let shape = Shape {
            parts: &parts.collect::<Vec<_>>(),
            inputs: self.inputs,
            rows,
            gated,
        };
        let groups = driver.multiprocessors();
        packed::plan(&shape, groups as usize, limits.shared as usize)
    }

    fn before(&self, few: &Few<'_>) -> Result<Before> {
        match few.x.waits() {
            Some(Waits::Norm { x, weight, epsilon }) => Ok(Before {
                x: x.at()?,
                norm: weight.at(),
                epsilon: *epsilon,
                gate: 0,
            }),
            // Every group would make all of it anew: of many inputs that is dearer than a launch.
            Some(Waits::Gate { x, gate }) if self.inputs <= GATED && !x.gates() => Ok(Before {
                x: x.at()?,
                gate: gate + 1,
                ..Before::default()
            }),
            Some(Waits::Gate { .. } | Waits::Product { .. }) | None => Ok(Before {
                x: few.x.at()?,
                ..Before::default()
            }),
        }
    }

    fn packed(&self, few: &Few<'_>, before: &Before, plan: &Plan) -> Result<()> {
        let width = self.inputs * if before.gate > 0 { 2 } else { 1 };
        let outputs = self.outputs / if few.gate.is_some() { 2 } else { 1 };
        for first in (0..few.x.rows).step_by(plan.rows) {
            let behind = |width: usize| (first * width * size_of::<f32>()) as u64;
            let arguments = args::Packed {
                w: self.stack(),
                x: before.x + behind(width),
                norm: before.norm,
                bias: at(&self.bias),
                scales: at(&self.scales),
                plus: few.plus.map_or(0, |plus| plus + behind(outputs)),
                out: few.out + behind(outputs),
                inputs: self.inputs as u32,
                outputs: self.outputs as u32,
                rows: plan.rows.min(few.x.rows - first) as u32,
                stage: plan.stage as u32,
                epsilon: before.epsilon,
                gate: before.gate,
                gated: few.gate.map_or(0, |gate| gate + 1),
                job: std::array::from_fn(|p| {
                    let part = self.parts.get(p);
                    part.map_or(0, |part| packed::job(part.row_bytes, self.inputs) as u32)
                }),
            };
            let variant = Variant::Rows(plan.rows as u32);
            self.gpu
                .launch(Kernel::MatVecPacked, variant, plan.grid, &arguments)?;
        }
        Ok(())
    }

    fn unpacked(&self, few: &Few<'_>, before: &Before) -> Result<()> {
        const WARPS: usize = 8;
        let rows = few.x.rows;
        // Enough groups for the device, and several outputs for each, so that what is read of `x` serves them all.
        let groups = self.gpu.driver().multiprocessors() as usize;
        let each = match self.outputs / (WARPS * groups) {
            0 | 1 => 1,
            2 | 3 => 2,
            4..64 => 4,
            _ => 8,
        };
        let arguments = args::MatVec {
            w: self.stack(),
            x: before.x,
            norm: before.norm,
            bias: at(&self.bias),
            scales: at(&self.scales),
            plus: few.plus.unwrap_or(0),
            out: few.out,
            inputs: self.inputs as u32,
            outputs: self.outputs as u32,
            rows: rows as u32,
            each: each as u32,
            epsilon: before.epsilon,
            gate: before.gate,
        };
        let groups = self.outputs.div_ceil(WARPS * each) as u32;
        let grid = Grid::of([groups, 1, 1], 32 * WARPS as u32);
        let variant = Variant::Rows(rows.next_power_of_two() as u32);
        self.gpu.launch(Kernel::MatVec, variant, grid, &arguments)
    }
}
