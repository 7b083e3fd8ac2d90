//! Qwen3 with experts: those chosen by a softmax over all, their weights made to add up to 1.

use super::experts::{divided, routed};
use super::fields::{Family, NORMED_HEADS};
use crate::model::error::Result;
use crate::model::keys::Keys;
use crate::model::shape::{ExpertsShape, Gate, LayerShape, RopePairing, Scales};

pub const QWEN3MOE: Family = Family {
    architecture: "qwen3moe",
    pairing: RopePairing::Halves,
    gate: Gate::Silu,
    half_activations: false,
    names: NORMED_HEADS,
    specify,
};

fn specify(keys: &Keys, layers: &mut [LayerShape], _: &mut Scales) -> Result<()> {
    routed(keys, layers, ExpertsShape::RENORMALISED)?;
    divided(keys, layers)
}
