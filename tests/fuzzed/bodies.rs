//! What is fuzzed, by cargo-fuzz (`fuzz_targets/`) and without it (`tests/mutated.rs`), and what that
//! begins with. Whatever the bytes: no panic, and what is said of the results holds.

#[path = "archive.rs"]
mod archive;

use std::path::Path;

#[allow(unused_imports)]
pub use archive::archive;
use cachat::document::convert::{Format, convert};
use cachat::model::gguf::GgufFile;
use cachat::model::tokenizer::Tokenizer;
use cachat::testing::{TinySpec, pdf, write_tiny_gguf, write_tiny_vocabulary};
use cachat::tui::text::safe::visible;
use cachat::unseen::{harmless, json};

/// A GGUF file: header, tensors, vocabulary, and two texts through it. The longer one is the file's end,
/// with runs of white space as long as its last byte says.
#[allow(dead_code)]
pub fn model(data: &[u8]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), data).unwrap();
    let Ok(model) = GgufFile::open(file.path()) else {
        return;
    };
    for name in model.tensor_names() {
        let _ = model.tensor_data(name);
    }
    let Ok(tokenizer) = Tokenizer::from_gguf(&model) else {
        return;
    };
    let usual = "Some words, 12 numbers\n\n<|im_start|> 日本 😀\t";
    let end = String::from_utf8_lossy(&data[data.len().saturating_sub(1 << 10)..]);
    let run = 2 * usize::from(data.last().copied().unwrap_or_default());
    let long = [
        &*end,
        &"\n".repeat(run),
        &*end,
        &" ".repeat(run),
        &"\r\n \t\n".repeat(run),
    ]
    .concat();
    for (text, special) in [
        (usual, false),
        (usual, true),
        (&*long, false),
        (&*long, true),
    ] {
        if let Ok(ids) = tokenizer.encode(text, special) {
            ids.iter().for_each(|&id| drop(tokenizer.token_bytes(id)));
        }
    }
}

/// A chat template over a short conversation, as the helper renders it (where cargo-fuzz's limits on
/// time and memory stand in for the helper's).
#[allow(dead_code)]
pub fn template(data: &[u8]) {
    let job = serde_json::json!({
        "source": String::from_utf8_lossy(data),
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Why?\n<|im_end|>"},
        ],
        "add_generation_prompt": true,
        "bos": "<s>",
        "eos": "</s>",
        "began": "2026-11-03T10:00:00+00:00",
    });
    let _ = cachat::model::rendering::rendered(job.to_string().as_bytes());
}

/// A saved conversation's file.
#[allow(dead_code)]
pub fn session(data: &[u8]) {
    let conversation = cachat::saved::read(data);
    assert!(conversation.whole <= data.len());
    assert!(conversation.title().chars().count() <= 80);
    // What was understood is so whatever is torn off behind it.
    assert_eq!(
        cachat::saved::read(&data[..conversation.whole]),
        conversation
    );
}

/// A document: HTML where the first byte is even, else PDF.
#[allow(dead_code)]
pub fn document(data: &[u8]) {
    if let Some((kind, bytes)) = data.split_first() {
        let format = match kind % 2 {
            0 => Format::Html,
            _ => Format::Pdf,
        };
        let _ = convert(format, bytes, None);
    }
}

/// Text on its way to the screen, a terminal and JSON.
#[allow(dead_code)]
pub fn text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let shown = visible(&text);
    assert!(shown.chars().all(harmless));
    assert_eq!(visible(&shown), shown);
    let said = serde_json::json!(text);
    let written = said.to_string();
    let written = json(&written);
    assert!(written.chars().all(|c| harmless(c) || c == '\t'));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&written).unwrap(),
        said
    );
}

const TEMPLATE: &str = "{% for m in messages %}<|im_start|>{{ m['role'] + '\\n' + m.content | trim }}<|im_end|>\
    {% if loop.last and not m.role == 'user' %}{{ raise_exception('no') }}{% endif %}{% endfor %}\
    {% set n = namespace(a=[1, 'b']) %}{{ n.a | tojson }}{{ strftime_now('%d %b %Y') }}";
const SESSION: &str = r#"{"cachat":1,"created":"2026-11-03T10:00:00Z","model":"tiny","policy":"full"}
{"user":[{"text":"What is it?"},{"paste":"a\nb"},{"file":{"name":"a.txt","text":"c"}}]}
{"answer":"A letter.\n"}
{"end":"stopped"}
{"truncate":1}
"#;
/// Ways to split a text, each with steps of its own; SentencePiece's last.
const SPLITS: [&str; 10] = [
    "default",
    "gpt-2",
    "falcon",
    "llama-bpe",
    "tekken",
    "gpt-4o",
    "kimi-k2",
    "deepseek-llm",
    "gemma4",
    "llama",
];
const HTML: &str =
    "\0<!doctype html><title>a</title><table><tr><td>1<td>2</table><ul><li>b<pre>c</pre></ul>";
const TEXT: &str = "a\u{1b}[31m\u{9b}\u{202e}\u{200b}\u{e0041}日本 👩‍👩‍👧\t\r\n";

/// What to begin with: the target, a name and the bytes.
#[allow(dead_code)]
pub fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let small = TinySpec {
        layers: 1,
        heads: 1,
        kv_heads: 1,
        hidden: 16,
        ffn: 16,
        ..TinySpec::llama()
    };
    let qwen = TinySpec {
        architecture: "qwen2",
        tied: false,
        ..small.clone()
    };
    let gguf = |spec: &TinySpec| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path: &Path = file.path();
        write_tiny_gguf(path, spec).unwrap();
        std::fs::read(path).unwrap()
    };
    let pages = pdf::document(&["a clause of the contract\n"; 2]);
    let mut seeds = vec![
        ("model", "llama", gguf(&small)),
        ("model", "qwen2", gguf(&qwen)),
        ("template", "chat", TEMPLATE.into()),
        ("session", "talk", SESSION.into()),
        ("document", "html", HTML.into()),
        ("document", "pdf", [&[1][..], &pages].concat()),
        ("text", "mixed", TEXT.into()),
    ];
    let vocabulary = |pre: &'static str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        write_tiny_vocabulary(file.path(), pre).unwrap();
        // The model above has the name.
        let name = if pre == "llama" { "spm" } else { pre };
        ("model", name, std::fs::read(file.path()).unwrap())
    };
    seeds.extend(SPLITS.map(vocabulary));
    seeds.extend(archive::seeds());
    seeds
}
