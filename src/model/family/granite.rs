//! Granite 3 and 4, dense: scales of embedding, attention, residual and logits.

use super::fields::{Family, USUAL};
use crate::model::error::Result;
use crate::model::keys::Keys;
use crate::model::shape::{Gate, LayerShape, RopePairing, Scales};

pub const GRANITE: Family = Family {
    architecture: "granite",
    pairing: RopePairing::Interleaved,
    gate: Gate::Silu,
    half_activations: false,
    names: USUAL,
    specify,
};

fn specify(keys: &Keys, layers: &mut [LayerShape], scales: &mut Scales) -> Result<()> {
    scales.embedding = keys.factor("embedding_scale")?.unwrap_or(1.0);
    scales.residual = keys.factor("residual_scale")?.unwrap_or(1.0);
    if let Some(divisor) = keys.factor("logit_scale")? {
        scales.logits = 1.0 / divisor;
    }
    let attention = keys.factor("attention.scale")?;
    // The key says of its files whether positions are told.
    let turned = keys.flag("rope.scaling.finetuned")?.unwrap_or(true);
    for layer in layers {
        let Some(a) = layer.attention_mut() else {
            continue;
        };
        a.scale = attention.unwrap_or(a.scale);
        a.rotary = a.rotary.filter(|_| turned);
    }
    Ok(())
}
