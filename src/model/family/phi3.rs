//! Phi 3, 3.5 and 4: q, k, v and gate, up in one matrix each, LongRoPE, partial rotary.

use super::fields::{FUSED, Family};
use crate::model::error::Result;
use crate::model::keys::Keys;
use crate::model::shape::{Gate, LayerShape, RopePairing, Scales};

pub const PHI3: Family = Family {
    architecture: "phi3",
    pairing: RopePairing::Halves,
    gate: Gate::Silu,
    half_activations: false,
    names: FUSED,
    specify,
};

fn specify(keys: &Keys, layers: &mut [LayerShape], _: &mut Scales) -> Result<()> {
    // Which factors hold is decided by what the model is run for; that is all of its context.
    let context = keys.size("context_length")?;
    let trained = keys.optional("rope.scaling.original_context_length")?;
    let long = trained.is_some_and(|trained| context > trained);
    for layer in layers {
        if let Some(rotary) = layer.rotary_mut() {
            rotary.factors = Some(match long {
                true => "rope_factors_long.weight",
                false => "rope_factors_short.weight",
            });
        }
    }
    Ok(())
}
