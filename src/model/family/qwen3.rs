//! Qwen3: norms of each head's queries and keys.

use super::fields::{Family, NORMED_HEADS, Names, plain};
use crate::model::shape::{Gate, RopePairing};
use crate::model::weights::Scaled;

pub const QWEN3: Family = Family {
    architecture: "qwen3",
    pairing: RopePairing::Halves,
    gate: Gate::Silu,
    half_activations: false,
    names: Names {
        mlp_scaled: Scaled::Sum,
        ..NORMED_HEADS
    },
    specify: plain,
};
