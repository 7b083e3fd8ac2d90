//! Tiny models of every family: what its real files have, in a few hundred kilobytes.

mod gemma4;
mod maker;

use std::path::Path;

use candle_core::Result;
use candle_core::quantized::QTensor;
use candle_core::quantized::gguf_file::{self, Value};

use super::tiny::{TinySpec, metadata};
use maker::Maker;

/// Norms of queries and keys.
#[derive(Clone, Copy, PartialEq)]
enum QkNorms {
    None,
    Heads,
    Whole,
}

/// What a family's tiny model has.
struct Made {
    qk_norms: QkNorms,
    biases: bool,
    /// Before and behind attention and MLP.
    norms: (bool, bool),
    /// q, k and v in one matrix; gate and up.
    fused: (bool, bool),
    tied: bool,
    /// Keys without the architecture.
    keys: Vec<(&'static str, Value)>,
    /// Vectors of the file: name, length, mean.
    vectors: Vec<(&'static str, usize, f32)>,
    /// Experts in place of an MLP.
    experts: Option<u32>,
    /// gpt-oss: sinks, biases everywhere, and a norm under another's name.
    sinks: bool,
    /// What all layers have but those two that attend, if not all attend.
    states: Option<States>,
}

/// Layers with a state in place of entries.
#[derive(Clone, Copy, PartialEq)]
enum States {
    Convolution,
    Delta,
}

/// Layers that attend where others have a state.
const ATTENDS: [usize; 2] = [2, 5];
/// Tokens that a convolution sees.
const TAPS: usize = 3;
/// Heads of keys and of values of the delta rule.
const DELTA_HEADS: (usize, usize) = (2, 4);

const HEAD: usize = 16;
/// Width of an expert.
const EXPERT: usize = 48;

fn made(architecture: &str) -> Made {
    let plain = || Made {
        qk_norms: QkNorms::None,
        biases: false,
        norms: (true, false),
        fused: (false, false),
        tied: false,
        keys: Vec::new(),
        vectors: Vec::new(),
        experts: None,
        sinks: false,
        states: None,
    };
    let size = |key, n: usize| (key, Value::U32(n as u32));
    let qwen35 = || Made {
        qk_norms: QkNorms::Heads,
        states: Some(States::Delta),
        keys: vec![
            size("full_attention_interval", 3),
            size("ssm.group_count", DELTA_HEADS.0),
            size("ssm.time_step_rank", DELTA_HEADS.1),
            size("ssm.state_size", HEAD),
            size("ssm.inner_size", DELTA_HEADS.1 * HEAD),
            size("ssm.conv_kernel", TAPS),
            size("rope.dimension_count", HEAD / 2),
            (
                "rope.dimension_sections",
                Value::Array([2, 1, 1, 0].map(Value::I32).to_vec()),
            ),
        ],
        ..plain()
    };
    let window = |n: u32| ("attention.sliding_window", Value::U32(n));
    let float = |key, x| (key, Value::F32(x));
    let text = |key, x: &str| (key, Value::String(x.into()));
    let original = ("rope.scaling.original_context_length", Value::U32(32));
    match architecture {
        "qwen2" => Made {
            biases: true,
            ..plain()
        },
        "qwen3" => Made {
            qk_norms: QkNorms::Heads,
            ..plain()
        },
        "qwen3moe" => Made {
            qk_norms: QkNorms::Heads,
            experts: Some(6),
            ..plain()
        },
        "gpt-oss" => Made {
            biases: true,
            experts: Some(5),
            sinks: true,
            keys: vec![
                window(16),
                text("rope.scaling.type", "yarn"),
                float("rope.scaling.factor", 32.0),
                original,
            ],
            ..plain()
        },
        "qwen35" => qwen35(),
        "qwen35moe" => Made {
            experts: Some(5),
            ..qwen35()
        },
        "lfm2" => Made {
            qk_norms: QkNorms::Heads,
            states: Some(States::Convolution),
            keys: vec![
                size("shortconv.l_cache", TAPS),
                (
                    "attention.head_count_kv",
                    Value::Array(
                        (0..7)
                            .map(|l| Value::I32(if ATTENDS.contains(&l) { 2 } else { 0 }))
                            .collect(),
                    ),
                ),
            ],
            ..plain()
        },
        "granite" => Made {
            keys: vec![
                float("embedding_scale", 12.0),
                float("residual_scale", 0.22),
                float("attention.scale", 0.0625),
                float("logit_scale", 8.0),
            ],
            ..plain()
        },
        "mistral3" => Made {
            keys: vec![
                text("rope.scaling.type", "yarn"),
                float("rope.scaling.factor", 16.0),
                float("rope.scaling.yarn_beta_fast", 4.0),
                float("rope.scaling.yarn_log_multiplier", 1.0),
                float("attention.temperature_scale", 0.1),
                original,
            ],
            ..plain()
        },
        "phi3" => Made {
            fused: (true, true),
            keys: vec![
                ("rope.dimension_count", Value::U32(12)),
                float("rope.scaling.attn_factor", 1.19),
                original,
            ],
            vectors: vec![
                ("rope_factors_long.weight", 6, 3.0),
                ("rope_factors_short.weight", 6, 1.1),
            ],
            ..plain()
        },
        "olmo2" => Made {
            qk_norms: QkNorms::Whole,
            norms: (false, true),
            keys: vec![
                window(16),
                text("rope.scaling.type", "yarn"),
                float("rope.scaling.factor", 8.0),
                float("rope.scaling.attn_factor", 1.2),
                original,
            ],
            ..plain()
        },
        "glm4" => Made {
            biases: true,
            norms: (true, true),
            fused: (false, true),
            keys: vec![("rope.dimension_count", Value::U32(8))],
            ..plain()
        },
        "gemma2" => Made {
            norms: (true, true),
            tied: true,
            keys: vec![
                window(16),
                float("attn_logit_softcapping", 5.0),
                float("final_logit_softcapping", 3.0),
            ],
            ..plain()
        },
        "gemma3" => Made {
            qk_norms: QkNorms::Heads,
            norms: (true, true),
            tied: true,
            keys: vec![window(16), float("rope.scaling.factor", 8.0)],
            ..plain()
        },
        _ => plain(),
    }
}

/// Writes a model of `architecture` with seven layers and 271 tokens.
///
/// # Errors
/// When the file cannot be written.
pub fn write_family_gguf(path: &Path, architecture: &'static str, seed: u64) -> Result<()> {
    if architecture == "gemma4" {
        return gemma4::write(path, seed);
    }
    let made = made(architecture);
    let spec = TinySpec {
        architecture,
        layers: 7,
        head_dim: HEAD,
        tied: made.tied,
        ..TinySpec::llama()
    };
    let mut keys = metadata(&spec);
    for (key, value) in &made.keys {
        let key = format!("{architecture}.{key}");
        keys.retain(|(k, _)| *k != key);
        keys.push((key, value.clone()));
    }
    if let Some(count) = made.experts {
        let mut put = |key: &str, n| keys.push((format!("{architecture}.{key}"), Value::U32(n)));
        put("expert_count", count);
        put("expert_used_count", 2);
        put("expert_feed_forward_length", EXPERT as u32);
        if made.states.is_some() {
            put("expert_shared_feed_forward_length", EXPERT as u32);
        }
    }
    let tensors = tensors(&spec, &made, seed)?;
    let keys: Vec<(&str, &Value)> = keys.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    gguf_file::write(&mut file, &keys, &tensors)?;
    std::io::Write::flush(&mut file)?;
    Ok(())
}

fn tensors(spec: &TinySpec, made: &Made, seed: u64) -> Result<Vec<(String, QTensor)>> {
    let mut make = Maker::new(seed);
    let (hidden, ffn) = (spec.hidden, spec.ffn);
    let (q, kv) = (spec.heads * HEAD, spec.kv_heads * HEAD);
    make.matrix("token_embd.weight".into(), spec.vocab, hidden, 1.0)?;
    for (name, len, mean) in &made.vectors {
        make.vector((*name).into(), *len, *mean)?;
    }
    for layer in 0..spec.layers {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let (before, behind) = made.norms;
        let attends = made.states.is_none() || ATTENDS.contains(&layer);
        let gated = made.states == Some(States::Delta);
        // Under another's name.
        let norm_moved = made.sinks || gated;
        let norms = [
            ("attn_norm.weight", before),
            ("post_attention_norm.weight", behind || norm_moved),
            ("ffn_norm.weight", before && !norm_moved),
            ("post_ffw_norm.weight", behind),
        ];
        for (norm, _) in norms.into_iter().filter(|(_, has)| *has) {
            make.vector(name(norm), hidden, 1.0)?;
        }
        let lens = match made.qk_norms {
            QkNorms::None => None,
            QkNorms::Heads => Some((HEAD, HEAD)),
            QkNorms::Whole => Some((q, kv)),
        };
        if let Some((of_q, of_k)) = lens.filter(|_| attends) {
            make.vector(name("attn_q_norm.weight"), of_q, 1.0)?;
            make.vector(name("attn_k_norm.weight"), of_k, 1.0)?;
        }
        match made.fused.0 {
            _ if !attends => states(&mut make, &name, gated, hidden)?,
            true => make.matrix(name("attn_qkv.weight"), q + 2 * kv, hidden, 1.5)?,
            false => {
                let queries = if gated { 2 * q } else { q };
                make.matrix(name("attn_q.weight"), queries, hidden, 1.5)?;
                make.matrix(name("attn_k.weight"), kv, hidden, 1.5)?;
                make.matrix(name("attn_v.weight"), kv, hidden, 1.0)?;
            }
        }
        if made.biases && attends {
            make.vector(name("attn_q.bias"), q, 0.0)?;
            make.vector(name("attn_k.bias"), kv, 0.0)?;
            make.vector(name("attn_v.bias"), kv, 0.0)?;
        }
        if attends {
            make.matrix(name("attn_output.weight"), hidden, q, 1.0)?;
        }
        if made.sinks {
            make.vector(name("attn_output.bias"), hidden, 0.0)?;
            make.vector(name("attn_sinks.weight"), spec.heads, 0.5)?;
        }
        if let Some(count) = made.experts {
            experts(&mut make, &name, count as usize, hidden, made.sinks)?;
            if gated {
                shared(&mut make, &name, hidden)?;
            }
            continue;
        }
        match made.fused.1 {
            true => make.matrix(name("ffn_up.weight"), 2 * ffn, hidden, 1.0)?,
            false => {
                make.matrix(name("ffn_gate.weight"), ffn, hidden, 1.0)?;
                make.matrix(name("ffn_up.weight"), ffn, hidden, 1.0)?;
            }
        }
        make.matrix(name("ffn_down.weight"), hidden, ffn, 1.0)?;
    }
    let norm = match made.states {
        Some(States::Convolution) => "token_embd_norm.weight",
        _ => "output_norm.weight",
    };
    make.vector(norm.into(), hidden, 1.0)?;
    if !spec.tied {
        make.matrix("output.weight".into(), spec.vocab, hidden, 1.0)?;
    }
    Ok(make.out)
}

/// The mixer of a layer with a state: the delta rule, or a convolution.
fn states(
    make: &mut Maker,
    name: &dyn Fn(&str) -> String,
    delta: bool,
    hidden: usize,
) -> Result<()> {
    if !delta {
        make.matrix(name("shortconv.in_proj.weight"), 3 * hidden, hidden, 1.5)?;
        make.matrix(name("shortconv.conv.weight"), hidden, TAPS, 1.0)?;
        return make.matrix(name("shortconv.out_proj.weight"), hidden, hidden, 1.0);
    }
    let (keys, values) = DELTA_HEADS;
    let (channels, width) = ((2 * keys + values) * HEAD, values * HEAD);
    make.matrix(name("attn_qkv.weight"), channels, hidden, 1.5)?;
    make.matrix(name("attn_gate.weight"), width, hidden, 1.0)?;
    make.matrix(name("ssm_beta.weight"), values, hidden, 1.0)?;
    make.matrix(name("ssm_alpha.weight"), values, hidden, 1.0)?;
    make.matrix(name("ssm_conv1d.weight"), channels, TAPS, 1.0)?;
    make.vector(name("ssm_dt.bias"), values, 0.1)?;
    make.vector(name("ssm_a"), values, -0.5)?;
    make.vector(name("ssm_norm.weight"), HEAD, 1.0)?;
    make.matrix(name("ssm_out.weight"), hidden, width, 1.0)
}

/// The MLP beside the experts, and its gate.
fn shared(make: &mut Maker, name: &dyn Fn(&str) -> String, hidden: usize) -> Result<()> {
    make.vector(name("ffn_gate_inp_shexp.weight"), hidden, 0.0)?;
    make.matrix(name("ffn_gate_shexp.weight"), EXPERT, hidden, 1.0)?;
    make.matrix(name("ffn_up_shexp.weight"), EXPERT, hidden, 1.0)?;
    make.matrix(name("ffn_down_shexp.weight"), hidden, EXPERT, 1.0)
}

fn experts(
    make: &mut Maker,
    name: &dyn Fn(&str) -> String,
    count: usize,
    hidden: usize,
    biases: bool,
) -> Result<()> {
    make.matrix(name("ffn_gate_inp.weight"), count, hidden, 2.0)?;
    if biases {
        make.vector(name("ffn_gate_inp.bias"), count, 0.0)?;
    }
    for (part, outputs, inputs) in [
        ("ffn_gate_exps", EXPERT, hidden),
        ("ffn_up_exps", EXPERT, hidden),
        ("ffn_down_exps", hidden, EXPERT),
    ] {
        let shape = [count, outputs, inputs];
        make.tensor(name(&format!("{part}.weight")), &shape, 1.0)?;
        if biases {
            make.tensor(name(&format!("{part}.bias")), &shape[..2], 0.5)?;
        }
    }
    Ok(())
}
