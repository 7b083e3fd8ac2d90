//! Files as Ollama's own converter writes them.

use super::*;
use candle_core::quantized::{QTensor, gguf_file};
use candle_core::{DType, Tensor};

/// A file with these metadata, and tensors of two numbers each.
fn opened(metadata: &[(&str, Value)], tensors: &[&str]) -> GgufFile {
    let zeros = Tensor::zeros(2, DType::F32, &Device::Cpu).unwrap();
    let zeros = QTensor::quantize(&zeros, GgmlDType::F32).unwrap();
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(k, v)| (*k, v)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|name| (*name, &zeros)).collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made.gguf");
    let mut out = std::fs::File::create(&path).unwrap();
    gguf_file::write(&mut out, &metadata, &tensors).unwrap();
    GgufFile::open(&path).unwrap()
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[test]
fn gemma_3_has_its_bases_and_what_is_left_to_the_program() {
    let float = |file: &GgufFile, key: &str| file.get_f32(&format!("gemma3.{key}")).unwrap();
    let prefix = |file: &GgufFile| file.get_bool("tokenizer.ggml.add_space_prefix").unwrap();
    let metadata = [
        ("general.architecture", text("gemma3")),
        ("gemma3.block_count", Value::U32(26)),
        ("gemma3.rope.global.freq_base", Value::F32(2e6)),
        ("gemma3.rope.local.freq_base", Value::F32(2e4)),
        ("gemma3.final_logit_softcapping", Value::F32(30.0)),
    ];
    let file = opened(&metadata, &[]);
    assert_eq!(float(&file, "rope.freq_base"), Some(2e6));
    assert_eq!(float(&file, "rope.freq_base_swa"), Some(2e4));
    assert_eq!(float(&file, "attention.layer_norm_rms_epsilon"), Some(1e-6));
    assert_eq!(float(&file, "final_logit_softcapping"), None);
    assert_eq!(float(&file, "rope.scaling.factor"), None);
    assert_eq!(prefix(&file), Some(false));
    // The larger ones are known by what reads pictures.
    let metadata = [
        ("general.architecture", text("gemma3")),
        ("gemma3.block_count", Value::U32(34)),
    ];
    let file = opened(&metadata, &["v.blk.0.attn_q.weight"]);
    assert_eq!(float(&file, "rope.freq_base"), Some(1e6));
    assert_eq!(float(&file, "attention.layer_norm_rms_epsilon"), Some(1e-6));
    assert_eq!(float(&file, "rope.scaling.factor"), Some(8.0));
    // Another's that says nothing has llama.cpp's defaults.
    let file = opened(&metadata, &["blk.0.attn_q.weight"]);
    assert_eq!(float(&file, "rope.freq_base"), None);
    assert_eq!(float(&file, "attention.layer_norm_rms_epsilon"), None);
    assert_eq!(float(&file, "rope.scaling.factor"), None);
    assert_eq!(prefix(&file), None);
}

#[test]
fn ministral_3_has_its_scaling_and_its_split() {
    let mut metadata = vec![
        ("general.architecture", text("mistral3")),
        ("mistral3.rope.scaling.beta_fast", Value::F32(4.0)),
        ("mistral3.rope.scaling.beta_slow", Value::F32(2.0)),
        ("mistral3.rope.scaling.mscale_all_dim", Value::F32(1.5)),
        ("mistral3.rope.scaling_beta", Value::F32(0.1)),
    ];
    let split = |file: &GgufFile| {
        let split = file.get_str("tokenizer.ggml.pre").unwrap();
        split.map(str::to_owned)
    };
    let file = opened(&metadata, &[]);
    for (key, value) in [
        ("rope.scaling.yarn_beta_fast", 4.0),
        ("rope.scaling.yarn_beta_slow", 2.0),
        ("rope.scaling.yarn_log_multiplier", 1.5),
        ("attention.temperature_scale", 0.1),
    ] {
        assert_eq!(file.f32(&format!("mistral3.{key}")).unwrap(), value);
    }
    assert_eq!(split(&file).as_deref(), Some("tekken"));
    for (said, meant) in [("default", "tekken"), ("llama-bpe", "llama-bpe")] {
        metadata.push(("tokenizer.ggml.pre", text(said)));
        assert_eq!(split(&opened(&metadata, &[])).as_deref(), Some(meant));
        metadata.pop();
    }
    // Another's is as it says.
    assert_eq!(split(&opened(&metadata[..1], &[])), None);
}

#[test]
fn gemma_4_has_its_kind_of_vocabulary_and_the_scales_of_its_experts() {
    let scale = "blk.3.ffn_gate_inp.per_expert_scale";
    let kind = |pre: &str, merges: bool| {
        let mut metadata = vec![
            ("general.architecture", text("gemma4")),
            ("tokenizer.ggml.model", text("llama")),
            ("tokenizer.ggml.pre", text(pre)),
        ];
        if merges {
            metadata.push(("tokenizer.ggml.merges", Value::Array(vec![text("a b")])));
        }
        let file = opened(&metadata, &[scale]);
        assert!(file.has_tensor("blk.3.ffn_down_exps.scale"));
        assert!(!file.has_tensor(scale));
        file.str("tokenizer.ggml.model").unwrap().to_owned()
    };
    assert_eq!(kind("gemma4", true), "gemma4");
    assert_eq!(kind("gemma4", false), "llama");
    assert_eq!(kind("default", true), "llama");
}
