//! What a family says.

use crate::model::shape::{Gate, RopePairing};

/// What the files of one `general.architecture` are like.
#[derive(Debug, PartialEq)]
pub struct Family {
    pub architecture: &'static str,
    pub pairing: RopePairing,
    pub gate: Gate,
    /// Activations stay within f16's range, as far as anyone has seen.
    pub half_activations: bool,
    pub names: Names,
}

/// Names of a block's tensors, behind `blk.N.`; what a family does without is `None`.
#[derive(Debug, PartialEq)]
pub struct Names {
    pub attention_norm: Option<&'static str>,
    pub q: &'static str,
    pub k: &'static str,
    pub v: &'static str,
    /// Norms of each head's queries and keys, before RoPE.
    pub qk_norms: Option<(&'static str, &'static str)>,
    pub attention_out: &'static str,
    /// Behind the attention, before it is added to the stream.
    pub attention_out_norm: Option<&'static str>,
    pub mlp_norm: Option<&'static str>,
    pub gate: &'static str,
    pub up: &'static str,
    pub down: &'static str,
    /// Behind the MLP, before it is added to the stream.
    pub mlp_out_norm: Option<&'static str>,
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
    gate: "ffn_gate",
    up: "ffn_up",
    down: "ffn_down",
    mlp_out_norm: None,
};
