//! Llama 2 and 3, SmolLM2, Mistral, Mixtral: the plain decoder. The file's q and k rows are permuted for
//! interleaved RoPE.

use super::experts::routed;
use super::fields::{Family, SCALED};
use crate::model::error::Result;
use crate::model::keys::Keys;
use crate::model::shape::{ExpertsShape, Gate, LayerShape, RopePairing, Scales};

pub const LLAMA: Family = Family {
    architecture: "llama",
    pairing: RopePairing::Interleaved,
    gate: Gate::Silu,
    half_activations: true,
    names: SCALED,
    specify,
};

fn specify(keys: &Keys, layers: &mut [LayerShape], _: &mut Scales) -> Result<()> {
    routed(keys, layers, ExpertsShape::RENORMALISED)
}
