//! Model families: what a GGUF architecture has that others have not, as constants. The decoder
//! is one for all of them; a family that needs more than these fields say adds one.

mod llama;
mod qwen2;

pub use llama::LLAMA;
pub use qwen2::QWEN2;

use super::shape::{Gate, RopePairing};

/// What the files of one `general.architecture` are like.
#[derive(Debug, PartialEq)]
pub struct Family {
    pub architecture: &'static str,
    pub pairing: RopePairing,
    pub gate: Gate,
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
const USUAL: Names = Names {
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

/// Every family there is.
pub const ALL: [&Family; 2] = [&LLAMA, &QWEN2];

/// The family of an architecture.
pub fn of(architecture: &str) -> Option<&'static Family> {
    ALL.into_iter().find(|f| f.architecture == architecture)
}

/// The architectures there are, for people: `a, b or c`.
pub fn names() -> String {
    let names = ALL.map(|f| f.architecture);
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}
