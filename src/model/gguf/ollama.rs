//! Files of Ollama's own converter say some things under other names, or leave them to its program.
//! They are read as if llama.cpp's converter had written them.

use std::collections::HashMap;

use candle_core::quantized::gguf_file::Value;

use super::tensors::TensorInfo;

type Metadata = HashMap<String, Value>;

/// Its names, and those of others.
const NAMES: &[(&str, &str)] = &[
    ("gemma3.rope.global.freq_base", "gemma3.rope.freq_base"),
    ("gemma3.rope.local.freq_base", "gemma3.rope.freq_base_swa"),
    (
        "mistral3.rope.scaling.beta_fast",
        "mistral3.rope.scaling.yarn_beta_fast",
    ),
    (
        "mistral3.rope.scaling.beta_slow",
        "mistral3.rope.scaling.yarn_beta_slow",
    ),
    (
        "mistral3.rope.scaling.mscale_all_dim",
        "mistral3.rope.scaling.yarn_log_multiplier",
    ),
    (
        "mistral3.rope.scaling_beta",
        "mistral3.attention.temperature_scale",
    ),
];

/// What else only its files have.
const MARKS: &[&str] = &[
    "gemma3.mm.tokens_per_image",
    "tokenizer.ggml.add_padding_token",
    "tokenizer.ggml.add_unknown_token",
];

/// How it ends the name of what Gemma 4's experts are multiplied by, and how others do.
const SCALE: (&str, &str) = (".ffn_gate_inp.per_expert_scale", ".ffn_down_exps.scale");

/// Puts what such a file says as others say it.
pub fn translate(metadata: &mut Metadata, tensors: &mut HashMap<String, TensorInfo>) {
    let Some(Value::String(architecture)) = metadata.get("general.architecture") else {
        return;
    };
    let architecture = architecture.clone();
    // Others keep what reads pictures in a file of its own.
    let sees = |name: &String| name.starts_with("v.") || name.starts_with("mm.");
    let mut keys = NAMES.iter().map(|(theirs, _)| theirs).chain(MARKS);
    let theirs = keys.any(|key| metadata.contains_key(*key)) || tensors.keys().any(sees);
    for (from, to) in NAMES {
        if let Some(value) = metadata.remove(*from) {
            metadata.entry((*to).to_owned()).or_insert(value);
        }
    }
    match architecture.as_str() {
        "gemma3" => gemma3(metadata, theirs),
        "gemma4" => gemma4(metadata, tensors),
        "mistral3" if theirs => mistral3(metadata),
        _ => {}
    }
}

/// What is left out has its program's value, and by the number of layers it sets right what earlier
/// versions of its converter wrote.
fn gemma3(metadata: &mut Metadata, theirs: bool) {
    let layers = match metadata.get("gemma3.block_count") {
        Some(Value::U32(layers)) => *layers,
        _ => 0,
    };
    if theirs && layers == 26 {
        metadata.remove("gemma3.final_logit_softcapping");
    }
    let mut usual = |key: &str, value: Value| {
        metadata.entry(key.to_owned()).or_insert(value);
    };
    if theirs {
        usual("tokenizer.ggml.add_space_prefix", Value::Bool(false));
        usual("gemma3.attention.layer_norm_rms_epsilon", Value::F32(1e-6));
        usual("gemma3.rope.freq_base", Value::F32(1e6));
        if matches!(layers, 34 | 48 | 62) {
            usual("gemma3.rope.scaling.factor", Value::F32(8.0));
        }
    }
}

/// Its vocabulary is called by another kind's name, and its experts' numbers by another tensor's.
fn gemma4(metadata: &mut Metadata, tensors: &mut HashMap<String, TensorInfo>) {
    const KIND: &str = "tokenizer.ggml.model";
    let called = |key: &str, name: &str| {
        let value = metadata.get(key);
        matches!(value, Some(Value::String(said)) if said == name)
    };
    let merged = metadata.contains_key("tokenizer.ggml.merges");
    if merged && called(KIND, "llama") && called("tokenizer.ggml.pre", "gemma4") {
        metadata.insert(KIND.to_owned(), Value::String("gemma4".to_owned()));
    }
    let (theirs, others) = SCALE;
    let blocks = tensors.keys().filter_map(|name| name.strip_suffix(theirs));
    let blocks: Vec<String> = blocks.map(str::to_owned).collect();
    for block in blocks {
        if let Some(scale) = tensors.remove(&format!("{block}{theirs}")) {
            tensors.entry(block + others).or_insert(scale);
        }
    }
}

/// All have one vocabulary, and do not say how it is split.
fn mistral3(metadata: &mut Metadata) {
    const SPLIT: &str = "tokenizer.ggml.pre";
    let unsaid = |value: &Value| matches!(value, Value::String(pre) if pre == "default");
    if metadata.get(SPLIT).is_none_or(unsaid) {
        metadata.insert(SPLIT.to_owned(), Value::String("tekken".to_owned()));
    }
}
