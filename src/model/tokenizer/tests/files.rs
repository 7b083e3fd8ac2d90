//! Files written for one test each: what a vocabulary's metadata decides.

use super::*;
use candle_core::quantized::gguf_file::{self, Value};

/// Tokens with their kinds as in files (1 ordinary, 3 control, 4 user-defined, 6 byte).
fn tokenizer(kind: &str, name: &str, tokens: &[(&str, i32)], merges: &[&str]) -> Tokenizer {
    let said = [("tokenizer.ggml.model", kind), ("general.name", name)];
    written(&said, tokens, merges)
}

/// The same with these texts.
fn written(said: &[(&str, &str)], tokens: &[(&str, i32)], merges: &[&str]) -> Tokenizer {
    let text = |s: &str| Value::String(s.to_owned());
    let texts = |all: &mut dyn Iterator<Item = &str>| Value::Array(all.map(text).collect());
    let types = tokens.iter().map(|(_, kind)| Value::I32(*kind)).collect();
    // Longer tokens first, so that the SentencePiece encoder merges up to them.
    let scores = tokens
        .iter()
        .map(|(t, _)| Value::F32(t.len() as f32))
        .collect();
    let said: Vec<(&str, Value)> = said.iter().map(|&(k, s)| (k, text(s))).collect();
    let metadata = [
        (
            "tokenizer.ggml.tokens",
            texts(&mut tokens.iter().map(|(t, _)| *t)),
        ),
        ("tokenizer.ggml.token_type", Value::Array(types)),
        ("tokenizer.ggml.scores", Value::Array(scores)),
        ("tokenizer.ggml.merges", texts(&mut merges.iter().copied())),
        ("tokenizer.ggml.add_bos_token", Value::Bool(false)),
        ("tokenizer.ggml.bos_token_id", Value::U32(0)),
    ];
    let metadata = said.iter().chain(&metadata);
    let metadata: Vec<(&str, &Value)> = metadata.map(|(k, v)| (*k, v)).collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vocabulary.gguf");
    gguf_file::write(&mut std::fs::File::create(&path).unwrap(), &metadata, &[]).unwrap();
    Tokenizer::from_gguf(&GgufFile::open(&path).unwrap()).unwrap()
}

fn pieces(tokenizer: &Tokenizer, text: &str, special: bool) -> Vec<String> {
    let ids = tokenizer.encode(text, special).unwrap();
    let token = |id: &u32| tokenizer.token(*id).unwrap().to_owned();
    ids.iter().map(token).collect()
}

#[test]
fn every_split_cuts_as_llama_cpp_does() {
    let golden = include_str!("../../../../tests/fixtures/splits.json");
    let golden: std::collections::BTreeMap<String, Vec<String>> =
        serde_json::from_str(golden).unwrap();
    for (name, _) in Split::all() {
        // Sarvam's is Gemma 4's.
        assert!(golden.contains_key(name) || name == "sarvam-moe", "{name}");
    }
    for (name, texts) in golden {
        let split = Split::by_name(&name).unwrap();
        for theirs in texts {
            let text = theirs.replace('\u{241f}', "");
            assert_eq!(
                super::pieces(split, &text).join("\u{241f}"),
                theirs,
                "{name}"
            );
        }
    }
}

#[test]
fn gemma_4_writes_spaces_and_bytes_in_plain_text() {
    let bytes: Vec<String> = (0..=255).map(|b| format!("<0x{b:02X}>")).collect();
    let mut tokens = vec![
        ("<bos>", 3),
        ("<turn|>", 3),
        ("<|tool_response>", 3),
        ("</s>", 1),
    ];
    tokens.extend(bytes.iter().map(|b| (b.as_str(), 6)));
    tokens.extend(["\u{2581}", "a", "b", "\u{2581}a", "ab", "\n", "\n\n", "é"].map(|t| (t, 1)));
    let tokenizer = tokenizer("gemma4", "", &tokens, &["\u{2581} a", "a b"]);
    // A run of line ends is one token without a merge; what has no token falls back to its bytes.
    assert_eq!(
        pieces(&tokenizer, "ab  a\n\nbéß<turn|>", true),
        [
            "ab",
            "\u{2581}",
            "\u{2581}a",
            "\n\n",
            "b",
            "é",
            "<0xC3>",
            "<0x9F>",
            "<turn|>"
        ]
    );
    let text = " ab  a\n\nß";
    let ids = tokenizer.encode(text, false).unwrap();
    let bytes: Vec<u8> = ids
        .iter()
        .flat_map(|id| tokenizer.token_bytes(*id))
        .collect();
    assert_eq!(String::from_utf8(bytes).unwrap(), text);
    // Whatever the file says; and `</s>` is a word here.
    assert!(tokenizer.add_bos());
    assert_eq!(tokenizer.eos_ids(), [1, 2]);
    assert!(!tokenizer.is_control(3) && tokenizer.is_control(1));
}

#[test]
fn gemma_4_of_ollama_is_the_same_under_another_kinds_name() {
    let said = [
        ("general.architecture", "gemma4"),
        ("tokenizer.ggml.model", "llama"),
        ("tokenizer.ggml.pre", "gemma4"),
    ];
    let mut tokens = vec![("<bos>", 3), ("<turn|>", 3), ("<0xC3>", 1), ("<0x9F>", 1)];
    tokens.extend(["\u{2581}", "a", "b", "\u{2581}a", "ab"].map(|t| (t, 1)));
    let tokenizer = written(&said, &tokens, &["\u{2581} a", "a b"]);
    let ids = tokenizer.encode("ab aß", false).unwrap();
    let found: Vec<_> = ids.iter().filter_map(|id| tokenizer.token(*id)).collect();
    assert_eq!(found, ["ab", "\u{2581}a", "<0xC3>", "<0x9F>"]);
    let bytes = ids.iter().flat_map(|id| tokenizer.token_bytes(*id));
    assert_eq!(String::from_utf8(bytes.collect()).unwrap(), "ab aß");
    assert!(tokenizer.add_bos());
}

#[test]
fn phi_3_swallows_white_space_behind_its_control_tokens() {
    let tokens = [
        ("<unk>", 2),
        ("<s>", 3),
        ("</s>", 3),
        ("<|user|>", 4),
        ("\u{2581}", 1),
        ("a", 1),
        ("\u{2581}a", 1),
        ("<0x0A>", 6),
    ];
    let ours = [
        "<|user|>",
        "\u{2581}a",
        "</s>",
        "\u{2581}a",
        "<s>",
        "\u{2581}",
        "<0x0A>",
        "a",
    ];
    let phi = tokenizer("llama", "Phi-3 mini", &tokens, &[]);
    assert_eq!(pieces(&phi, "<|user|>\n a</s> a<s>\na", true), ours);
    let other = tokenizer("llama", "Llama", &tokens, &[]);
    assert_eq!(
        pieces(&other, "<|user|>\n a", true),
        ["<|user|>", "\u{2581}", "<0x0A>", "\u{2581}a"]
    );
}

#[test]
fn the_parts_of_an_answer_are_shown_and_do_not_end_it() {
    let tokens = [
        "<|start|>",
        "<|end|>",
        "<|message|>",
        "<|return|>",
        "<|call|>",
        "<|endoftext|>",
    ];
    let letters = ["a", "b"].map(|t| (t, 1));
    let tokens: Vec<_> = tokens.map(|t| (t, 3)).into_iter().chain(letters).collect();
    let tokenizer = tokenizer("gpt2", "", &tokens, &[]);
    assert_eq!(tokenizer.eos_ids(), [3, 4, 5]);
    assert!(!tokenizer.is_control(1) && tokenizer.is_control(3));
    assert_eq!(pieces(&tokenizer, "a<|end|>b", true), ["a", "<|end|>", "b"]);
    // In what a person wrote they are characters.
    assert!(!tokenizer.encode("a<|end|>b", false).unwrap().contains(&1));
    let found: Vec<_> = tokenizer.control_in("a<|end|>b").collect();
    assert_eq!(found, [(1..8, 1)]);
}
