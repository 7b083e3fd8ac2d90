//! Ministral 3, Mistral Small 4: YaRN, and queries that grow with their position.

use super::experts::routed;
use super::fields::{Family, SCALED};
use crate::model::error::Result;
use crate::model::keys::Keys;
use crate::model::shape::{ExpertsShape, Gate, LayerShape, RopePairing, Scales, Temperature};

pub const MISTRAL3: Family = Family {
    architecture: "mistral3",
    pairing: RopePairing::Interleaved,
    gate: Gate::Silu,
    half_activations: false,
    names: SCALED,
    specify,
};

fn specify(keys: &Keys, layers: &mut [LayerShape], _: &mut Scales) -> Result<()> {
    let scale = keys.factor("attention.scale")?;
    let context = keys.optional("rope.scaling.original_context_length")?;
    let every = context.map_or_else(|| keys.size("context_length"), Ok)?;
    let temperature = keys.factor("attention.temperature_scale")?;
    for layer in layers.iter_mut() {
        let Some(a) = layer.attention_mut() else {
            continue;
        };
        a.scale = scale.unwrap_or(a.scale);
        a.temperature = temperature.map(|scale| Temperature { scale, every });
    }
    routed(keys, layers, ExpertsShape::RENORMALISED)
}
