use proptest::prelude::*;

use super::*;
use crate::tui::text::{markdown, safe, wrap};

/// Pieces that Markdown gives a meaning, in any order: blocks, halves of blocks, indentation.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z *_`]{1,40}\n\n",
        "#{1,3} [a-z]{1,12}\n",
        "(- [a-z ]{1,20}\n){1,4}",
        "([1-3]\\. [a-z ]{1,20}\n){1,3}\n?",
        "[ ]{0,6}([-*+]|[0-9]{1,2}[.)]) {1,5}[a-z`*]{0,12}\n{1,2}",
        "[ ]{1,6}[a-z ]{1,12}\n{1,2}",
        "[ ]{0,4}(> ?){1,3}([-*] |1\\. )?[a-z ]{0,12}\n",
        "```\n[a-z\n]{0,40}\n```\n",
        "[ ]{0,4}([-*] )?(```|~~~|````)[a-z ]{0,6}\n[a-z `~\n]{0,40}(\n {0,4}(```|~~~|````) ?)?\n",
        "```(rust|python|diff)\n(let x = \"[a-z]{1,4}|/\\* [a-z]|\\*/|\"\"\"|# c|-a|\n){0,12}\n```\n",
        "[ ]{0,3}(> )?\\| a \\| b \\|\n[ ]{0,3}(> )?\\|---\\|---\\|\n(\\| 1 \\| [a-z ]{0,30} \\|\n){0,3}\n?",
        "[ ]{0,3}\\[[a-z]{1,3}\\](: /[a-z]{1,5})?\n?",
        "- \\[[ x]\\] [a-z]{1,5}\n",
        "[a-z ]{1,10}\n",
        "\n",
        Just("---\n".to_string()),
        Just("===\n".to_string()),
        Just("<div>\nx\n".to_string()),
        Just("a<br>b <br/>\nc<br>\n".to_string()),
        Just("    indented\n\n    more\n".to_string()),
        Just("\\(x_{i}\\) \\[\na_{i} * b\n\\] costs $5, $y_1$ \\\\ \\{\n".to_string()),
        Just("\\*&amp;<b>\u{fdd0}日本".to_string()),
    ]
}

/// What is drawn: texts and styles, cell by cell.
fn drawn(lines: &[Line<'static>]) -> Vec<Vec<(String, ratatui::style::Style)>> {
    let cells = |line: &Line<'static>| {
        let spans = line.spans.iter();
        spans
            .flat_map(|s| s.content.chars().map(|c| (c.to_string(), s.style)))
            .collect()
    };
    lines.iter().map(cells).collect()
}

fn streamed(text: &str, step: usize, width: usize) -> Stream {
    let theme = Theme::default();
    let mut streamed = Stream::default();
    let chars: Vec<char> = text.chars().collect();
    for piece in chars.chunks(step) {
        streamed.push(&piece.iter().collect::<String>());
        streamed.layout(width, &theme);
    }
    streamed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn streamed_equals_one_shot(
        pieces in prop::collection::vec(piece(), 0..10), step in 1usize..9, width in 4usize..40,
    ) {
        let text = pieces.concat();
        let streamed = streamed(&text, step, width);
        let once = markdown::render(&text, width, &Theme::default());
        prop_assert_eq!(drawn(streamed.lines()), drawn(&once), "{}", text);
    }

    #[test]
    fn no_line_is_wider_than_the_screen(
        pieces in prop::collection::vec(prop_oneof![piece(), hard()], 0..8), width in 1usize..30,
    ) {
        let text = safe::visible(&pieces.concat()).into_owned();
        for line in markdown::render(&text, width, &Theme::default()) {
            prop_assert!(wrap::line_width(&line) <= width, "{:?} in {}", line, text);
        }
    }

    #[test]
    fn nothing_reaches_the_terminal_raw(
        pieces in prop::collection::vec(prop_oneof![piece(), hard()], 0..8),
    ) {
        let text = safe::visible(&pieces.concat()).into_owned();
        for line in markdown::render(&text, 20, &Theme::default()) {
            let line = line.to_string();
            prop_assert_eq!(safe::visible(&line), line.as_str());
            prop_assert!(!line.contains('\n'));
        }
    }
}

/// Text that is hard to measure, and text that a terminal would obey.
fn hard() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,30}",
        Just("👩‍👩‍👧 🇩🇪🇫🇷 👍🏽 ❤️ 1️⃣".to_string()),
        Just("日本語の文章、한국어 ｆｕｌｌ".to_string()),
        Just("e\u{301}\u{300}\u{302} ก็ क्षि \u{200d}\u{200c}\u{ad}".to_string()),
        Just("שלום مرحبا\t\u{202e}x".to_string()),
        Just("\x1b[31m\x1b]8;;http://x\x07[\x1b[2J](http://a\x1b[1m)\n".to_string()),
        Just("&#27;[31m &#x9b;2J &#7; &#8238; &#10;&#13;x\n".to_string()),
        Just("```\x1b[31m&#27;\n\x1b[2J\n```\n".to_string()),
        Just("<a\x1b[1m>\n".to_string()),
    ]
}

#[test]
fn a_long_answer_costs_no_more_than_a_short_one() {
    let item = "- one item with **words** in it\n";
    for (start, more) in [
        ("", item.to_owned()),
        ("1. first\n", "   - nested item\n".to_owned()),
        (
            "",
            "7) numbered\n\n   with a second paragraph\n\n".to_owned(),
        ),
        ("> quoted\n", "> - item\n>\n>   more\n".to_owned()),
        ("| a | b |\n|---|---|\n", "| 1 | two words |\n".to_owned()),
        ("- code\n\n  ```rust\n", "  let x = 1;\n".to_owned()),
        ("", "A paragraph of some words.\n\n".to_owned()),
    ] {
        let theme = Theme::default();
        let mut stream = Stream::default();
        stream.push(start);
        for _ in 0..200 {
            stream.push(&more);
            stream.layout(40, &theme);
        }
        assert!(stream.tail.len() < 200, "{start}{more}: {:?}", stream.tail);
        let lines = stream.lines().len();
        assert!(stream.settled() + 20 > lines, "{start}{more}: {lines}");
    }
}

#[test]
fn hostile_texts_do_not_freeze() {
    let begun = std::time::Instant::now();
    for text in [
        ">".repeat(20_000),
        "- ".repeat(5_000),
        "[".repeat(50_000),
        "*a **b ".repeat(5_000),
        "`".repeat(50_000),
        "|a".repeat(5_000) + "\n" + &"|-".repeat(5_000) + "\n" + &"|1\n".repeat(50),
        "x".repeat(1_000_000),
        format!("```rust\n{}", "a(".repeat(500_000)),
        "<".repeat(50_000),
    ] {
        let lines = markdown::render(&text, 40, &Theme::default());
        assert!(lines.iter().all(|l| wrap::line_width(l) <= 40));
    }
    assert!(begun.elapsed() < std::time::Duration::from_secs(60));
}
