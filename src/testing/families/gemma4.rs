//! A tiny Gemma 4 with everything that any of its sizes has: windows with smaller heads, last layers
//! that share keys and values, what layers are told of tokens, keys that serve as values, and experts
//! beside an MLP.

use std::path::Path;

use candle_core::Result;
use candle_core::quantized::QTensor;
use candle_core::quantized::gguf_file::{self, Value};

use super::maker::Maker;
use crate::testing::tiny::{TinySpec, metadata};

/// Which layers have a window.
const WINDOWS: [bool; 7] = [true, true, false, true, false, true, false];
/// Last layers that share the keys and values of earlier ones.
const SHARING: usize = 2;
/// Head sizes without and with a window.
const HEADS: (usize, usize) = (32, 16);
/// KV heads without and with a window.
const KV_HEADS: (usize, usize) = (1, 2);
/// What a layer is told of a token.
const TOLD: usize = 16;
/// How many experts, how many of them a token goes through, and their width.
const EXPERTS: (usize, usize, usize) = (5, 2, 48);

/// Writes the model.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, seed: u64) -> Result<()> {
    let spec = TinySpec {
        architecture: "gemma4",
        layers: WINDOWS.len(),
        head_dim: HEADS.0,
        tied: true,
        rope_base: 1_000_000.0,
        ..TinySpec::llama()
    };
    let mut keys = metadata(&spec);
    let mut put = |key: &str, value: Value| {
        let key = format!("gemma4.{key}");
        keys.retain(|(k, _)| *k != key);
        keys.push((key, value));
    };
    let size = |n: usize| Value::U32(n as u32);
    let each = |of: &dyn Fn(usize) -> usize| {
        let sizes = (0..WINDOWS.len()).map(|l| Value::I32(of(l) as i32));
        Value::Array(sizes.collect())
    };
    put("attention.head_count_kv", each(&kv_heads));
    put("feed_forward_length", each(&|l| feed_forward(&spec, l)));
    for (key, n) in [
        ("attention.key_length", HEADS.0),
        ("attention.value_length", HEADS.0),
        ("attention.key_length_swa", HEADS.1),
        ("attention.value_length_swa", HEADS.1),
        ("attention.shared_kv_layers", SHARING),
        ("attention.sliding_window", 16),
        ("embedding_length_per_layer_input", TOLD),
        ("rope.dimension_count", HEADS.0),
        ("rope.dimension_count_swa", HEADS.1),
        ("expert_count", EXPERTS.0),
        ("expert_used_count", EXPERTS.1),
        ("expert_feed_forward_length", EXPERTS.2),
    ] {
        put(key, size(n));
    }
    let windows = WINDOWS.map(Value::Bool).to_vec();
    put("attention.sliding_window_pattern", Value::Array(windows));
    put("rope.freq_base_swa", Value::F32(10_000.0));
    put("final_logit_softcapping", Value::F32(3.0));
    let tensors = tensors(&spec, seed)?;
    let keys: Vec<(&str, &Value)> = keys.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    gguf_file::write(&mut file, &keys, &tensors)?;
    std::io::Write::flush(&mut file)?;
    Ok(())
}

fn of_layer(layer: usize, (whole, window): (usize, usize)) -> usize {
    if WINDOWS[layer] { window } else { whole }
}

fn kv_heads(layer: usize) -> usize {
    of_layer(layer, KV_HEADS)
}

fn shares(layer: usize) -> bool {
    layer + SHARING >= WINDOWS.len()
}

/// Twice as wide where keys and values are shared.
fn feed_forward(spec: &TinySpec, layer: usize) -> usize {
    if shares(layer) {
        2 * spec.ffn
    } else {
        spec.ffn
    }
}

fn tensors(spec: &TinySpec, seed: u64) -> Result<Vec<(String, QTensor)>> {
    let mut make = Maker::new(seed);
    let hidden = spec.hidden;
    let all = spec.layers * TOLD;
    make.matrix("token_embd.weight".into(), spec.vocab, hidden, 1.0)?;
    make.matrix("per_layer_token_embd.weight".into(), spec.vocab, all, 2.0)?;
    make.matrix("per_layer_model_proj.weight".into(), all, hidden, 1.0)?;
    make.vector("per_layer_proj_norm.weight".into(), TOLD, 1.0)?;
    // A quarter of the dimensions is turned.
    let (pairs, turned) = (HEADS.0 / 2, HEADS.0 / 8);
    let factors = (0..pairs).map(|pair| if pair < turned { 1.0 } else { 1e30 });
    make.put("rope_freqs.weight".into(), factors.collect(), &[pairs])?;
    for l in 0..spec.layers {
        layer(&mut make, spec, l)?;
    }
    make.vector("output_norm.weight".into(), hidden, 1.0)?;
    Ok(make.out)
}

fn layer(make: &mut Maker, spec: &TinySpec, layer: usize) -> Result<()> {
    let hidden = spec.hidden;
    let name = |part: &str| format!("blk.{layer}.{part}.weight");
    let head = of_layer(layer, HEADS);
    let (q, kv) = (spec.heads * head, kv_heads(layer) * head);
    for norm in [
        "attn_norm",
        "post_attention_norm",
        "ffn_norm",
        "post_ffw_norm",
        "post_norm",
        "pre_ffw_norm_2",
        "post_ffw_norm_1",
        "post_ffw_norm_2",
    ] {
        make.vector(name(norm), hidden, 1.0)?;
    }
    make.matrix(name("attn_q"), q, hidden, 1.5)?;
    // Scores are not divided by anything.
    make.vector(name("attn_q_norm"), head, 0.6)?;
    if !shares(layer) {
        make.matrix(name("attn_k"), kv, hidden, 1.5)?;
        make.vector(name("attn_k_norm"), head, 0.6)?;
        if WINDOWS[layer] {
            make.matrix(name("attn_v"), kv, hidden, 1.0)?;
        }
    }
    make.matrix(name("attn_output"), hidden, q, 1.0)?;
    let ffn = feed_forward(spec, layer);
    make.matrix(name("ffn_gate"), ffn, hidden, 1.0)?;
    make.matrix(name("ffn_up"), ffn, hidden, 1.0)?;
    make.matrix(name("ffn_down"), hidden, ffn, 1.0)?;
    let (count, _, width) = EXPERTS;
    make.matrix(name("ffn_gate_inp"), count, hidden, 4.0)?;
    make.vector(format!("blk.{layer}.ffn_gate_inp.scale"), hidden, 1.0)?;
    make.tensor(name("ffn_gate_up_exps"), &[count, 2 * width, hidden], 1.0)?;
    make.tensor(name("ffn_down_exps"), &[count, hidden, width], 1.0)?;
    make.vector(format!("blk.{layer}.ffn_down_exps.scale"), count, 1.0)?;
    make.matrix(name("inp_gate"), TOLD, hidden, 1.0)?;
    make.matrix(name("proj"), hidden, TOLD, 1.0)?;
    make.vector(name("layer_output_scale"), 1, 0.8)?;
    Ok(())
}
