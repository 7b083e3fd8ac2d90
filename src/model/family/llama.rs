//! Llama 2 and 3, SmolLM2, Mistral: the plain decoder. The file's q and k rows are permuted for
//! interleaved RoPE.

use super::fields::{Family, SCALED, plain};
use crate::model::shape::{Gate, RopePairing};

pub const LLAMA: Family = Family {
    architecture: "llama",
    pairing: RopePairing::Interleaved,
    gate: Gate::Silu,
    half_activations: true,
    names: SCALED,
    specify: plain,
};
