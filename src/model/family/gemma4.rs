//! Gemma 4: norms before, behind and of heads and values, GELU, windows with heads of their own size,
//! last layers that see the keys and values of earlier ones, and what each layer is told of a token.

use super::experts::routed;
use super::fields::{BOTH_NORMS, Family, NORMED_HEADS, Names};
use super::windows::windowed;
use crate::model::error::{ModelError, Result};
use crate::model::keys::Keys;
use crate::model::shape::{ExpertsShape, Gate, LayerShape, RopePairing, Rotary, Scales, Values};

pub const GEMMA4: Family = Family {
    architecture: "gemma4",
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
    let cap = keys.float("final_logit_softcapping")?.unwrap_or(30.0);
    scales.logit_cap = Some(cap).filter(|cap| *cap != 0.0);
    let experts = ExpertsShape {
        gate: Gate::Gelu,
        beside: true,
        ..ExpertsShape::RENORMALISED
    };
    routed(keys, layers, experts)?;
    for (l, layer) in layers.iter_mut().enumerate() {
        let has = |part: &str| keys.file.has_tensor(&format!("blk.{l}.{part}.weight"));
        let has_values = has("attn_v") || has("attn_qkv");
        layer.experts = layer.experts.filter(|_| has("ffn_gate_inp"));
        let Some(a) = layer.attention_mut() else {
            continue;
        };
        a.scale = 1.0;
        a.values = match has_values {
            true => Values::Normed,
            false => Values::NormedKeys,
        };
    }
    windows(keys, layers)?;
    share(keys, layers)
}

/// Windows have a head size and a rotary embedding of their own.
fn windows(keys: &Keys, layers: &mut [LayerShape]) -> Result<()> {
    let window = keys.size("attention.sliding_window")?;
    let head_dim = keys.positive("attention.key_length_swa")?;
    if keys.positive("attention.value_length_swa")? != head_dim {
        return Err(ModelError::Description(
            "its values are not as long as its keys in layers with a window".into(),
        ));
    }
    let base = keys.float("rope.freq_base_swa")?.unwrap_or(10_000.0);
    let dim = keys.positive("rope.dimension_count_swa")?;
    for a in windowed(keys, layers, window, 6)? {
        a.head_dim = head_dim.unwrap_or(a.head_dim);
        if let Some(rotary) = &mut a.rotary {
            *rotary = Rotary {
                dim: dim.unwrap_or(rotary.dim),
                base,
                scale: 1.0,
                factors: None,
                ..*rotary
            };
        }
    }
    Ok(())
}

/// The last layers see the keys and values of the last one of their kind before them.
fn share(keys: &Keys, layers: &mut [LayerShape]) -> Result<()> {
    let sharing = keys.optional("attention.shared_kv_layers")?.unwrap_or(0);
    let own = layers.len().saturating_sub(sharing);
    for l in own..layers.len() {
        let window = layers[l].window();
        let alike = |layer: &LayerShape| layer.window() == window;
        let Some(source) = layers[..own].iter().rposition(alike) else {
            return Err(ModelError::Description(format!(
                "its layer {l} has no layer before it to share keys and values with"
            )));
        };
        if let Some(a) = layers[l].attention_mut() {
            (a.source, a.kv_heads) = (Some(source), 0);
        }
    }
    Ok(())
}
