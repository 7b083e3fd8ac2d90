//! What a family says.

use crate::model::error::Result;
use crate::model::keys::Keys;
use crate::model::shape::{Gate, LayerShape, RopePairing, Scales};
use crate::model::weights::Scaled;

/// What the files of one `general.architecture` are like.
#[derive(Debug)]
pub struct Family {
    pub architecture: &'static str,
    pub pairing: RopePairing,
    pub gate: Gate,
    /// Activations stay within f16's range, as far as anyone has seen.
    pub half_activations: bool,
    pub names: Names,
    /// What else the file's keys say: given layers that are alike, plain attention with RoPE.
    pub specify: fn(&Keys, &mut [LayerShape], &mut Scales) -> Result<()>,
}

impl PartialEq for Family {
    fn eq(&self, other: &Family) -> bool {
        self.architecture == other.architecture
    }
}

/// Nothing else.
pub fn plain(_: &Keys, _: &mut [LayerShape], _: &mut Scales) -> Result<()> {
    Ok(())
}

/// Names of a block's tensors, behind `blk.N.`; what a family does without is `None`.
#[derive(Debug, PartialEq)]
pub struct Names {
    pub attention_norm: Option<&'static str>,
    pub q: &'static str,
    pub k: &'static str,
    pub v: &'static str,
    /// Norms of queries and keys before RoPE: of each head's, or of all heads' together, as the
    /// file's weights are long.
    pub qk_norms: Option<(&'static str, &'static str)>,
    pub attention_out: &'static str,
    /// Behind the attention, before it is added to the stream.
    pub attention_out_norm: Option<&'static str>,
    pub mlp_norm: Option<&'static str>,
    /// `None` where `up` holds both.
    pub gate: Option<&'static str>,
    pub up: &'static str,
    pub down: &'static str,
    /// Behind the MLP, before it is added to the stream.
    pub mlp_out_norm: Option<&'static str>,
    /// Of gate, up and down.
    pub mlp_scaled: Scaled,
}

/// Norms before attention and MLP, all weights apart.
pub const USUAL: Names = Names {
    attention_norm: Some("attn_norm"),
    q: "attn_q",
    k: "attn_k",
    v: "attn_v",
    qk_norms: None,
    attention_out: "attn_output",
    attention_out_norm: None,
    mlp_norm: Some("ffn_norm"),
    gate: Some("ffn_gate"),
    up: "ffn_up",
    down: "ffn_down",
    mlp_out_norm: None,
    mlp_scaled: Scaled::No,
};

/// The same with scales on the MLP's products.
pub const SCALED: Names = Names {
    mlp_scaled: Scaled::Sum,
    ..USUAL
};

/// The same with norms of each head's queries and keys.
pub const NORMED_HEADS: Names = Names {
    qk_norms: Some(("attn_q_norm", "attn_k_norm")),
    ..USUAL
};

/// Gate and up are one matrix, the gate's rows first.
pub const FUSED: Names = Names {
    gate: None,
    ..USUAL
};

/// Norms before and behind attention and MLP.
pub const BOTH_NORMS: Names = Names {
    attention_out_norm: Some("post_attention_norm"),
    mlp_out_norm: Some("post_ffw_norm"),
    ..USUAL
};
