//! Qwen3.5 and 3.6, dense and with experts: three of four layers a gated delta net, gated attention
//! in the others.

use super::experts::{divided, routed};
use super::fields::{Family, NORMED_HEADS, Names};
use crate::model::error::{ModelError, Result};
use crate::model::keys::Keys;
use crate::model::shape::{
    DeltaShape, ExpertsShape, Gate, LayerShape, Mixer, RopePairing, Scales, Sections,
};
use crate::model::weights::Scaled;

pub const QWEN35: Family = Family {
    architecture: "qwen35",
    pairing: RopePairing::Halves,
    gate: Gate::Silu,
    half_activations: false,
    names: Names {
        mlp_norm: Some("post_attention_norm"),
        mlp_scaled: Scaled::Sum,
        ..NORMED_HEADS
    },
    specify: mixers,
};

pub const QWEN35MOE: Family = Family {
    architecture: "qwen35moe",
    specify: with_experts,
    ..QWEN35
};

fn mixers(keys: &Keys, layers: &mut [LayerShape], _: &mut Scales) -> Result<()> {
    let delta = DeltaShape {
        key_heads: keys.size("ssm.group_count")?,
        value_heads: keys.size("ssm.time_step_rank")?,
        head_dim: keys.size("ssm.state_size")?,
        taps: keys.size("ssm.conv_kernel")?,
    };
    let inner = keys.size("ssm.inner_size")?;
    if inner != delta.widths().1 {
        return Err(ModelError::Description(format!(
            "its values are {inner} wide, and its heads {} together",
            delta.widths().1
        )));
    }
    let sections = keys.list("rope.dimension_sections")?.unwrap_or_default();
    let recurrent = keys.each("attention.recurrent_layers", layers.len())?;
    let interval = keys.positive("full_attention_interval")?.unwrap_or(4);
    for (l, layer) in layers.iter_mut().enumerate() {
        let is_delta = match &recurrent {
            Some(flags) => flags[l] != 0,
            None => !(l + 1).is_multiple_of(interval),
        };
        if is_delta {
            layer.mixer = Mixer::Delta(delta);
        } else if let Some(a) = layer.attention_mut() {
            a.gated = true;
            if let (Some(rotary), Ok(sections)) = (&mut a.rotary, sections.clone().try_into()) {
                rotary.sections = Sections::Interleaved(sections);
            }
        }
    }
    Ok(())
}

fn with_experts(keys: &Keys, layers: &mut [LayerShape], scales: &mut Scales) -> Result<()> {
    mixers(keys, layers, scales)?;
    let experts = ExpertsShape {
        shared: Some(0),
        ..ExpertsShape::RENORMALISED
    };
    routed(keys, layers, experts)?;
    divided(keys, layers)
}
