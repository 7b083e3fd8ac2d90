//! Qwen2 and 2.5: biases on q, k and v (read wherever a file has them), RoPE by halves.

use super::fields::{Family, USUAL, plain};
use crate::model::shape::{Gate, RopePairing};

pub const QWEN2: Family = Family {
    architecture: "qwen2",
    pairing: RopePairing::Halves,
    gate: Gate::Silu,
    half_activations: false,
    names: USUAL,
    specify: plain,
};
