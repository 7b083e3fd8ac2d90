//! OLMo 2 and 3: norms behind attention and MLP in place of before, and of all queries and keys.

use super::fields::{Family, NORMED_HEADS, Names};
use super::windows::windowed;
use crate::model::error::Result;
use crate::model::keys::Keys;
use crate::model::shape::{Gate, LayerShape, RopePairing, Rotary, Scales};

pub const OLMO2: Family = Family {
    architecture: "olmo2",
    pairing: RopePairing::Halves,
    gate: Gate::Silu,
    half_activations: false,
    names: Names {
        attention_norm: None,
        attention_out_norm: Some("post_attention_norm"),
        mlp_norm: None,
        mlp_out_norm: Some("post_ffw_norm"),
        ..NORMED_HEADS
    },
    specify,
};

fn specify(keys: &Keys, layers: &mut [LayerShape], _: &mut Scales) -> Result<()> {
    let Some(window) = keys.positive("attention.sliding_window")? else {
        return Ok(());
    };
    let base = keys.float("rope.freq_base_swa")?;
    for a in windowed(keys, layers, window, 4)? {
        if let Some(rotary) = &mut a.rotary {
            *rotary = Rotary {
                base: base.unwrap_or(rotary.base),
                scale: 1.0,
                yarn: None,
                magnitude: 1.0,
                ..*rotary
            };
        }
    }
    Ok(())
}
