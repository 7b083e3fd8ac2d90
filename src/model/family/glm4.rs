//! GLM-4: norms before and behind, gate and up in one matrix, partial rotary.

use super::fields::{FUSED, Family, Names};
use crate::model::error::Result;
use crate::model::keys::Keys;
use crate::model::shape::{Gate, LayerShape, RopePairing, Scales, Sections};

pub const GLM4: Family = Family {
    architecture: "glm4",
    pairing: RopePairing::Interleaved,
    gate: Gate::Silu,
    half_activations: false,
    names: Names {
        attention_out_norm: Some("post_attention_norm"),
        mlp_out_norm: Some("post_ffw_norm"),
        ..FUSED
    },
    specify,
};

fn specify(keys: &Keys, layers: &mut [LayerShape], _: &mut Scales) -> Result<()> {
    let list = keys.list("rope.dimension_sections")?.unwrap_or_default();
    let Ok(sections) = <[usize; 4]>::try_from(list) else {
        return Ok(());
    };
    // Those that also see pictures: places in time, height and width.
    if sections[..3].iter().any(|&n| n > 0) {
        for layer in layers {
            if let Some(rotary) = layer.rotary_mut() {
                rotary.sections = Sections::InTurn(sections);
                rotary.pairing = RopePairing::Halves;
            }
        }
    }
    Ok(())
}
