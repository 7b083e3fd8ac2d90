//! LFM2: short convolutions in most layers; norms of each head's queries and keys in the others.

use super::fields::{Family, NORMED_HEADS};
use crate::model::error::Result;
use crate::model::keys::Keys;
use crate::model::shape::{ConvolutionShape, Gate, LayerShape, Mixer, RopePairing, Scales};

pub const LFM2: Family = Family {
    architecture: "lfm2",
    pairing: RopePairing::Halves,
    gate: Gate::Silu,
    half_activations: false,
    names: NORMED_HEADS,
    specify,
};

fn specify(keys: &Keys, layers: &mut [LayerShape], _: &mut Scales) -> Result<()> {
    let convolution = ConvolutionShape {
        channels: keys.size("embedding_length")?,
        taps: keys.size("shortconv.l_cache")?,
    };
    let window = keys.positive("attention.sliding_window")?;
    for layer in layers {
        match layer.attention_mut() {
            // A layer without KV heads is told by nothing else.
            Some(a) if a.kv_heads > 0 => a.window = window,
            _ => layer.mixer = Mixer::Convolution(convolution),
        }
    }
    Ok(())
}
