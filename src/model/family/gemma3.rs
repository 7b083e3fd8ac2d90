//! Gemma 3: norms before, behind and of heads, GELU, and five windows to each layer that sees all, with
//! a base for RoPE of their own.

use super::fields::{BOTH_NORMS, Family, NORMED_HEADS, Names};
use super::windows::{by_width, windowed};
use crate::model::error::Result;
use crate::model::keys::Keys;
use crate::model::shape::{Gate, LayerShape, RopePairing, Rotary, Scales};

pub const GEMMA3: Family = Family {
    architecture: "gemma3",
    pairing: RopePairing::Halves,
    gate: Gate::Gelu,
    half_activations: false,
    names: Names {
        qk_norms: NORMED_HEADS.qk_norms,
        ..BOTH_NORMS
    },
    specify,
};

fn specify(keys: &Keys, layers: &mut [LayerShape], scales: &mut Scales) -> Result<()> {
    scales.embedding = (keys.size("embedding_length")? as f32).sqrt();
    scales.logit_cap = keys.factor("final_logit_softcapping")?;
    if layers.len() == 62 {
        for layer in layers.iter_mut() {
            if let Some(a) = layer.attention_mut() {
                a.scale = by_width(keys)?;
            }
        }
    }
    let Some(window) = keys.positive("attention.sliding_window")? else {
        return Ok(());
    };
    let base = keys.float("rope.freq_base_swa")?.unwrap_or(10_000.0);
    for a in windowed(keys, layers, window, 6)? {
        if let Some(rotary) = &mut a.rotary {
            *rotary = Rotary {
                base,
                scale: 1.0,
                ..*rotary
            };
        }
    }
    Ok(())
}
