//! Vocabularies without a model: the real one of the default model, from the repository's fixtures, and
//! small ones of each kind.

use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};

use super::tiny::{self, TinySpec};

/// Unpacks the tokenizer metadata of SmolLM2-135M-Instruct to `path`, a GGUF without tensors.
pub fn write_smollm2_vocabulary(path: impl AsRef<Path>) -> std::io::Result<()> {
    let fixture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/smollm2-vocabulary.zip"
    );
    let mut archive = zip::ZipArchive::new(std::fs::File::open(fixture)?)?;
    let mut inside = archive.by_name("vocabulary.gguf")?;
    std::io::copy(&mut inside, &mut std::fs::File::create(path)?)?;
    Ok(())
}

/// Writes the metadata of a tiny model to `path`, a GGUF without tensors, in which texts are split as
/// `pre` says: `llama` for a SentencePiece vocabulary, `gemma4` for one of that kind.
///
/// # Errors
/// When the file cannot be written.
pub fn write_tiny_vocabulary(path: impl AsRef<Path>, pre: &str) -> candle_core::Result<()> {
    let mut metadata = tiny::metadata(&TinySpec::llama());
    let mut set = |key: &str, value: Value| {
        let key = format!("tokenizer.ggml.{key}");
        metadata.retain(|(other, _)| *other != key);
        metadata.push((key, value));
    };
    let text = |text: &str| Value::String(text.to_owned());
    set("pre", text(pre));
    if ["gemma4", "llama"].contains(&pre) {
        let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(str::to_owned).into();
        tokens.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
        let words = [
            "\u{2581}",
            "\u{2581}\u{2581}",
            "a",
            "b",
            "\u{2581}a",
            "ab",
            "\n",
            "\n\n",
            "é",
            "日",
        ];
        tokens.extend(words.map(str::to_owned));
        let merges = ["\u{2581} \u{2581}", "\u{2581} a", "a b", "\n \n"];
        // Unknown, control, bytes and words.
        let kind = |n: usize| match n {
            0 => Value::I32(2),
            1 | 2 => Value::I32(3),
            3..259 => Value::I32(6),
            _ => Value::I32(1),
        };
        let score = |token: &String| Value::F32(token.len() as f32);
        set("model", text(pre));
        set("merges", Value::Array(merges.map(text).into()));
        set(
            "token_type",
            Value::Array((0..tokens.len()).map(kind).collect()),
        );
        set("scores", Value::Array(tokens.iter().map(score).collect()));
        let tokens = tokens.into_iter().map(Value::String);
        set("tokens", Value::Array(tokens.collect()));
    }
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(k, v)| (k.as_str(), v)).collect();
    gguf_file::write(&mut std::fs::File::create(path)?, &metadata, &[])
}
