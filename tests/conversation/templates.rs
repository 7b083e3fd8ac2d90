//! A template's own conditions, as a conversation meets them.

use super::*;

/// A tiny model with another template.
fn with_template(source: &str) -> Model {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tiny.gguf");
    write_tiny_gguf(&path, &TinySpec::llama()).unwrap();
    patched(&path, source)
}

/// The model of a file of ours with another template, which is shorter than its own.
pub fn patched(path: &std::path::Path, source: &str) -> Model {
    let mut bytes = std::fs::read(path).unwrap();
    let place = |text: &[u8]| bytes.windows(text.len()).position(|w| w == text).unwrap();
    let from = place(b"{% for message in messages %}");
    let end = b"<|im_start|>assistant\n' }}{% endif %}";
    let length = place(end) + end.len() - from;
    // As long as the one that was there.
    let source = format!("{source}{{#{:1$}#}}", "", length - source.len() - 4);
    bytes[from..from + length].copy_from_slice(source.as_bytes());
    std::fs::write(path, bytes).unwrap();
    common::load::model(path, &EXACT)
}

fn read(session: &Session) -> String {
    session.token_texts().concat()
}

#[test]
fn a_refused_system_prompt_is_read_with_the_first_question_and_that_is_said_once() {
    let model = with_template(
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}\
         {% endif %}<{{ m.role }}>{{ m.content }}{% endfor %}",
    );
    let system = Some("Be brief.".to_owned());
    let mut session = Session::new(model, eviction(Preset::FULL, 64, 6), system).unwrap();
    let mut seen = Seen::default();
    session.ask("Why?", &greedy(2), &mut seen).unwrap();
    session.ask("And then?", &greedy(2), &mut seen).unwrap();
    assert!(
        read(&session).starts_with("<user>Be brief.\n\nWhy?"),
        "{}",
        read(&session)
    );
    assert_eq!(seen.notices.len(), 1, "{:?}", seen.notices);
    assert!(seen.notices[0].contains("takes no system prompt"));
}

#[test]
fn a_template_is_told_about_thinking_what_is_said_and_nothing_else() {
    let model = with_template(
        "{{ enable_thinking is defined }},{{ enable_thinking }},{{ reasoning_effort }};\
         {{ messages[-1].content }}",
    );
    let mut session = Session::new(model, eviction(Preset::FULL, 64, 6), None).unwrap();
    session.ask("a", &greedy(1), &mut Seen::default()).unwrap();
    assert!(
        read(&session).starts_with("False,,;a"),
        "{}",
        read(&session)
    );
    let sampling = Sampling {
        thinking: Thinking {
            enable: Enable::Off,
            effort: Effort::Low,
        },
        ..greedy(1)
    };
    session.ask("b", &sampling, &mut Seen::default()).unwrap();
    assert!(
        read(&session).starts_with("True,False,low;b"),
        "{}",
        read(&session)
    );
}
