//! Gemma 2: norms before and behind, GELU, soft caps, every second layer a window. The 1 that its norms
//! add is in the file's weights.

use super::fields::{BOTH_NORMS, Family};
use super::windows::{by_width, windowed};
use crate::model::error::Result;
use crate::model::keys::Keys;
use crate::model::shape::{Gate, LayerShape, RopePairing, Scales};

pub const GEMMA2: Family = Family {
    architecture: "gemma2",
    pairing: RopePairing::Halves,
    gate: Gate::Gelu,
    half_activations: false,
    names: BOTH_NORMS,
    specify,
};

fn specify(keys: &Keys, layers: &mut [LayerShape], scales: &mut Scales) -> Result<()> {
    scales.embedding = (keys.size("embedding_length")? as f32).sqrt();
    scales.logit_cap = Some(keys.factor("final_logit_softcapping")?.unwrap_or(30.0));
    let cap = keys.factor("attn_logit_softcapping")?.unwrap_or(50.0);
    let many = layers.len() == 46;
    for layer in layers.iter_mut() {
        let Some(a) = layer.attention_mut() else {
            continue;
        };
        a.soft_cap = Some(cap);
        if many {
            a.scale = by_width(keys)?;
        }
    }
    let window = keys.positive("attention.sliding_window")?.unwrap_or(4096);
    let base = keys.float("rope.freq_base_swa")?;
    for a in windowed(keys, layers, window, 2)? {
        if let (Some(rotary), Some(base)) = (&mut a.rotary, base) {
            rotary.base = base;
        }
    }
    Ok(())
}
