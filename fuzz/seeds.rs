//! Writes what fuzzing begins with into `corpus/`: `cargo run --bin seeds`.

use std::path::Path;

use cachat::testing::{TinySpec, pdf, write_tiny_gguf};

const TEMPLATE: &str = "{% for m in messages %}<|im_start|>{{ m['role'] + '\\n' + m.content | trim }}<|im_end|>\
    {% if loop.last and not m.role == 'user' %}{{ raise_exception('no') }}{% endif %}{% endfor %}\
    {% set n = namespace(a=[1, 'b']) %}{{ n.a | tojson }}{{ strftime_now('%d %b %Y') }}";
const SESSION: &str = r#"{"cachat":1,"created":"2026-11-03T10:00:00Z","model":"tiny","policy":"full"}
{"user":[{"text":"What is it?"},{"paste":"a\nb"},{"file":{"name":"a.txt","text":"c"}}]}
{"answer":"A letter.\n"}
{"end":"stopped"}
{"truncate":1}
"#;
const HTML: &str =
    "\0<!doctype html><title>a</title><table><tr><td>1<td>2</table><ul><li>b<pre>c</pre></ul>";

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(name), bytes)
    };
    let small = TinySpec {
        layers: 1,
        heads: 1,
        kv_heads: 1,
        hidden: 16,
        ffn: 16,
        ..TinySpec::llama()
    };
    for spec in [
        small.clone(),
        TinySpec {
            architecture: "qwen2",
            tied: false,
            ..small
        },
    ] {
        let file = tempfile::NamedTempFile::new()?;
        write_tiny_gguf(file.path(), &spec).map_err(std::io::Error::other)?;
        write("model", spec.architecture, &std::fs::read(file.path())?)?;
    }
    write("template", "chat", TEMPLATE.as_bytes())?;
    write("session", "talk", SESSION.as_bytes())?;
    write("document", "html", HTML.as_bytes())?;
    let pages = pdf::document(&["a clause of the contract\n"; 2]);
    write("document", "pdf", &[&[1], pages.as_ref() as &[u8]].concat())?;
    write(
        "text",
        "mixed",
        "a\u{1b}[31m\u{9b}\u{202e}\u{200b}\u{e0041}日本 👩‍👩‍👧\t\r\n".as_bytes(),
    )
}
