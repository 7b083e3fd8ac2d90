//! Tiny models with random weights, written as GGUF: every part that a real file has (both
//! architectures, biases, tied or separate output head, a byte-level vocabulary, a chat template)
//! in a few hundred kilobytes.

use super::random::Random;
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Result, Tensor};
use std::path::Path;

pub const ENDOFTEXT: u32 = 0;
pub const IM_START: u32 = 1;
pub const IM_END: u32 = 2;
/// The token of byte `b` is `FIRST_BYTE + b`.
pub const FIRST_BYTE: u32 = 3;

/// Merges of the vocabulary, each of two earlier tokens (`Ġ` is the space).
const MERGES: [(&str, &str); 12] = [
    ("h", "e"),
    ("Ġ", "t"),
    ("Ġt", "he"),
    ("Ġ", "a"),
    ("i", "n"),
    ("e", "r"),
    ("u", "s"),
    ("us", "er"),
    ("o", "n"),
    ("Ġ", "Ġ"),
    ("ĠĠ", "ĠĠ"),
    ("Ċ", "Ċ"),
];

/// Vocabulary entries that every tiny model has; [`TinySpec::vocab`] may ask for more.
pub const MIN_VOCAB: usize = 3 + 256 + MERGES.len();

const CHATML: &str = "{% for message in messages %}{% if loop.first and messages[0]['role'] != \
    'system' %}{{ '<|im_start|>system\nYou are a tiny model<|im_end|>\n' }}{% endif %}\
    {{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}\
    {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// What the tiny model is like. Start from [`TinySpec::llama`] or [`TinySpec::qwen2`] and change
/// fields.
#[derive(Clone, Debug)]
pub struct TinySpec {
    /// `llama` or `qwen2` (which adds q/k/v biases); other names are written as they are.
    pub architecture: &'static str,
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub hidden: usize,
    pub ffn: usize,
    /// Positions the file claims to be trained for.
    pub context: usize,
    /// Tokens, at least [`MIN_VOCAB`]; need not be even.
    pub vocab: usize,
    /// No `output.weight`: the embedding serves as output head.
    pub tied: bool,
    pub rope_base: f32,
    pub rms_eps: f32,
    /// For all matrices whose rows hold whole blocks of it; the others stay F32.
    pub quant: GgmlDType,
    /// The chat template.
    pub template: &'static str,
    /// Tokens of its own, with their types; [`TinySpec::vocab`] has room for them behind
    /// [`MIN_VOCAB`].
    pub marks: &'static [(&'static str, i32)],
    /// Never likely to end an answer by itself.
    pub endless: bool,
    pub seed: u64,
}

impl TinySpec {
    pub fn llama() -> TinySpec {
        TinySpec {
            architecture: "llama",
            layers: 2,
            heads: 4,
            kv_heads: 2,
            head_dim: 16,
            hidden: 64,
            ffn: 96,
            context: 2048,
            vocab: MIN_VOCAB,
            tied: true,
            rope_base: 10_000.0,
            rms_eps: 1e-5,
            quant: GgmlDType::F32,
            template: CHATML,
            marks: &[],
            endless: false,
            seed: 1,
        }
    }

    pub fn qwen2() -> TinySpec {
        TinySpec {
            architecture: "qwen2",
            tied: false,
            rope_base: 1_000_000.0,
            rms_eps: 1e-6,
            ..TinySpec::llama()
        }
    }
}

/// Writes the model to `path`.
///
/// # Errors
/// When the file cannot be written or the sizes of `spec` cannot make tensors.
pub fn write_tiny_gguf(path: impl AsRef<Path>, spec: &TinySpec) -> Result<()> {
    let metadata = metadata(spec);
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let tensors = tensors(spec)?;
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    gguf_file::write(&mut file, &metadata, &tensors)?;
    std::io::Write::flush(&mut file)?;
    Ok(())
}

pub(super) fn metadata(spec: &TinySpec) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    let mut put = |key: &str, value: Value| out.push((key.to_owned(), value));
    let text = |s: &str| Value::String(s.to_owned());
    let size = |n: usize| Value::U32(n as u32);
    put("general.architecture", text(spec.architecture));
    put("general.name", text("Tiny"));
    let arch = |key: &str| format!("{}.{key}", spec.architecture);
    put(&arch("block_count"), size(spec.layers));
    put(&arch("context_length"), size(spec.context));
    put(&arch("embedding_length"), size(spec.hidden));
    put(&arch("feed_forward_length"), size(spec.ffn));
    put(&arch("attention.head_count"), size(spec.heads));
    put(&arch("attention.head_count_kv"), size(spec.kv_heads));
    put(
        &arch("attention.layer_norm_rms_epsilon"),
        Value::F32(spec.rms_eps),
    );
    put(&arch("rope.freq_base"), Value::F32(spec.rope_base));
    if spec.heads * spec.head_dim != spec.hidden {
        put(&arch("attention.key_length"), size(spec.head_dim));
        put(&arch("attention.value_length"), size(spec.head_dim));
    }
    if spec.architecture == "llama" {
        put(&arch("rope.dimension_count"), size(spec.head_dim));
        put(&arch("vocab_size"), size(spec.vocab));
    }
    let (tokens, types) = vocabulary(spec);
    let merges = MERGES
        .iter()
        .map(|(a, b)| Value::String(format!("{a} {b}")));
    let pre = if spec.architecture == "qwen2" {
        "qwen2"
    } else {
        "smollm"
    };
    put("tokenizer.ggml.model", text("gpt2"));
    put("tokenizer.ggml.pre", text(pre));
    put("tokenizer.ggml.tokens", Value::Array(tokens));
    put("tokenizer.ggml.token_type", Value::Array(types));
    put("tokenizer.ggml.merges", Value::Array(merges.collect()));
    put("tokenizer.ggml.bos_token_id", Value::U32(IM_START));
    put("tokenizer.ggml.eos_token_id", Value::U32(IM_END));
    put("tokenizer.ggml.unknown_token_id", Value::U32(ENDOFTEXT));
    put("tokenizer.ggml.padding_token_id", Value::U32(IM_END));
    put("tokenizer.ggml.add_bos_token", Value::Bool(false));
    put("tokenizer.ggml.add_space_prefix", Value::Bool(false));
    put("tokenizer.chat_template", text(spec.template));
    out
}

/// Tokens and their types: control tokens (3), bytes and merges (1), its own, unused padding (5).
fn vocabulary(spec: &TinySpec) -> (Vec<Value>, Vec<Value>) {
    let control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"].map(|t| (t.to_owned(), 3));
    let bytes = (0..=255u8).map(|b| (byte_char(b).to_string(), 1));
    let merged = MERGES.iter().map(|(a, b)| (format!("{a}{b}"), 1));
    let marks = spec.marks.iter().map(|(t, kind)| ((*t).to_owned(), *kind));
    let unused = (MIN_VOCAB + spec.marks.len()..spec.vocab).map(|id| (format!("[PAD{id}]"), 5));
    let all = control.into_iter().chain(bytes).chain(merged);
    let all = all.chain(marks).chain(unused);
    all.map(|(token, kind)| (Value::String(token), Value::I32(kind)))
        .unzip()
}

/// GPT-2's printable stand-in for a byte.
fn byte_char(byte: u8) -> char {
    let plain = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if plain(byte) {
        return char::from(byte);
    }
    let index = (0..byte).filter(|b| !plain(*b)).count() as u32;
    char::from_u32(256 + index).unwrap_or(char::REPLACEMENT_CHARACTER)
}

pub(super) fn tensors(spec: &TinySpec) -> Result<Vec<(String, QTensor)>> {
    let mut make = Maker {
        random: Random::new(spec.seed),
        quant: spec.quant,
        zeroed: if spec.endless { FIRST_BYTE as usize } else { 0 },
        out: Vec::new(),
    };
    let (hidden, ffn) = (spec.hidden, spec.ffn);
    let (q, kv) = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim);
    make.matrix("token_embd.weight", spec.vocab, hidden, 1.0)?;
    for layer in 0..spec.layers {
        let name = |part: &str| format!("blk.{layer}.{part}");
        make.vector(&name("attn_norm.weight"), hidden, 1.0, 0.1)?;
        // Queries and keys somewhat larger than usual, so that attention has peaks to evict by.
        make.matrix(&name("attn_q.weight"), q, hidden, 1.5)?;
        make.matrix(&name("attn_k.weight"), kv, hidden, 1.5)?;
        make.matrix(&name("attn_v.weight"), kv, hidden, 1.0)?;
        if spec.architecture == "qwen2" {
            make.vector(&name("attn_q.bias"), q, 0.0, 0.5)?;
            make.vector(&name("attn_k.bias"), kv, 0.0, 0.5)?;
            make.vector(&name("attn_v.bias"), kv, 0.0, 0.5)?;
        }
        make.matrix(&name("attn_output.weight"), hidden, q, 1.0)?;
        make.vector(&name("ffn_norm.weight"), hidden, 1.0, 0.1)?;
        make.matrix(&name("ffn_gate.weight"), ffn, hidden, 1.0)?;
        make.matrix(&name("ffn_up.weight"), ffn, hidden, 1.0)?;
        make.matrix(&name("ffn_down.weight"), hidden, ffn, 1.0)?;
    }
    make.vector("output_norm.weight", hidden, 1.0, 0.1)?;
    if !spec.tied {
        make.matrix("output.weight", spec.vocab, hidden, 1.0)?;
    }
    Ok(make.out)
}

struct Maker {
    random: Random,
    quant: GgmlDType,
    /// First rows of the embedding and the output head that are 0: those tokens are never likely.
    zeroed: usize,
    out: Vec<(String, QTensor)>,
}

impl Maker {
    /// `[rows, cols]`, of a size that keeps the variance of its input times `gain`².
    fn matrix(&mut self, name: &str, rows: usize, cols: usize, gain: f32) -> Result<()> {
        let scale = gain / (cols as f32).sqrt();
        let mut data: Vec<f32> = (0..rows * cols)
            .map(|_| self.random.normal() * scale)
            .collect();
        if ["token_embd.weight", "output.weight"].contains(&name) {
            data[..self.zeroed * cols].fill(0.0);
        }
        let tensor = Tensor::from_vec(data, (rows, cols), &Device::Cpu)?;
        let whole = cols.is_multiple_of(self.quant.block_size());
        let dtype = if whole { self.quant } else { GgmlDType::F32 };
        self.out
            .push((name.to_owned(), QTensor::quantize(&tensor, dtype)?));
        Ok(())
    }

    fn vector(&mut self, name: &str, len: usize, mean: f32, spread: f32) -> Result<()> {
        let data: Vec<f32> = (0..len)
            .map(|_| mean + self.random.normal() * spread)
            .collect();
        let tensor = Tensor::from_vec(data, len, &Device::Cpu)?;
        self.out
            .push((name.to_owned(), QTensor::quantize(&tensor, GgmlDType::F32)?));
        Ok(())
    }
}
