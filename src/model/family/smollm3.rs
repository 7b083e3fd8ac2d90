//! SmolLM3: every fourth layer is not told positions.

use super::fields::{Family, USUAL};
use crate::model::error::Result;
use crate::model::keys::Keys;
use crate::model::shape::{Gate, LayerShape, RopePairing, Scales};

pub const SMOLLM3: Family = Family {
    architecture: "smollm3",
    pairing: RopePairing::Interleaved,
    gate: Gate::Silu,
    half_activations: false,
    names: USUAL,
    specify,
};

fn specify(_: &Keys, layers: &mut [LayerShape], _: &mut Scales) -> Result<()> {
    for layer in layers.iter_mut().skip(3).step_by(4) {
        if let Some(a) = layer.attention_mut() {
            a.rotary = None;
        }
    }
    Ok(())
}
