//! gpt-oss: a sink in every head, every second layer a window, experts with a clamped gate, YaRN.

use super::experts::routed;
use super::fields::{Family, Names, USUAL};
use super::windows::windowed;
use crate::model::error::{ModelError, Result};
use crate::model::keys::Keys;
use crate::model::shape::{ExpertsShape, Gate, Gating, LayerShape, RopePairing, Scales};

pub const GPT_OSS: Family = Family {
    architecture: "gpt-oss",
    pairing: RopePairing::Halves,
    gate: Gate::Clamped,
    half_activations: false,
    names: Names {
        mlp_norm: Some("post_attention_norm"),
        ..USUAL
    },
    specify,
};

fn specify(keys: &Keys, layers: &mut [LayerShape], _: &mut Scales) -> Result<()> {
    let experts = ExpertsShape {
        gate: Gate::Clamped,
        gating: Gating::SoftmaxOfChosen,
        renormalise: false,
        scaled: false,
        ..ExpertsShape::RENORMALISED
    };
    routed(keys, layers, experts)?;
    if layers.iter().any(|layer| layer.experts.is_none()) {
        return Err(ModelError::Description(
            "it says nothing of its experts".into(),
        ));
    }
    let window = keys.size("attention.sliding_window")?;
    let base = keys.float("rope.freq_base_swa")?;
    for a in windowed(keys, layers, window, 2)? {
        if let (Some(rotary), Some(base)) = (&mut a.rotary, base) {
            rotary.base = base;
        }
    }
    Ok(())
}
