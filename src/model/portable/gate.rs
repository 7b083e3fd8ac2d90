//! What the gate of an MLP does, on a device.

use candle_core::{Result, Tensor};

use crate::device::ops;
use crate::model::shape::Gate;

/// `gate(g) × u` of `[rows, g | u]`.
pub fn gated(kind: Gate, gate_up: &Tensor) -> Result<Tensor> {
    let width = gate_up.dim(1)? / 2;
    let gate = gate_up.narrow(1, 0, width)?;
    let up = gate_up.narrow(1, width, width)?;
    match kind {
        Gate::Silu => ops::mul(&ops::silu(&gate)?, &up),
        Gate::Gelu => ops::mul(&ops::gelu(&gate)?, &up),
        Gate::Clamped => {
            let gate = ops::clamp(&gate, f64::NEG_INFINITY, 7.0)?;
            let opened = ops::mul(&gate, &ops::sigmoid(&ops::affine(&gate, 1.702, 0.0)?)?)?;
            let up = ops::affine(&ops::clamp(&up, -7.0, 7.0)?, 1.0, 1.0)?;
            ops::mul(&opened, &up)
        }
    }
}
