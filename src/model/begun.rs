//! Answers that are begun: by the template, which may open a thought, or by the model before it was
//! stopped.

use super::thoughts::{self, Part};
use super::tokenizer::{Segment, Tokenizer, TokenizerError};

/// Tokens at the end of a prompt that may open a thought.
const TAIL: usize = 48;

/// What a prompt says of the answer already: the mark of a thought that it ends within.
pub fn opened(tokenizer: &Tokenizer, prompt: &[u32]) -> Option<String> {
    let tail = &prompt[prompt.len().saturating_sub(TAIL)..];
    let bytes: Vec<u8> = tail
        .iter()
        .flat_map(|&id| tokenizer.token_bytes(id))
        .collect();
    thoughts::opened(&String::from_utf8_lossy(&bytes)).map(str::to_owned)
}

/// Tokens of `answer` so far, behind a prompt: marks are tokens as the model writes them, the rest is
/// text.
///
/// # Errors
/// As [`Tokenizer::encode`].
pub fn tokens(
    tokenizer: &Tokenizer,
    prompt: &[u32],
    answer: &str,
) -> Result<Vec<u32>, TokenizerError> {
    if answer.is_empty() {
        return Ok(Vec::new());
    }
    let opened = opened(tokenizer, prompt);
    let behind = opened.as_ref().and_then(|mark| {
        // White space behind the mark may be another model's.
        let bare = || answer.trim_start().strip_prefix(mark.trim_end());
        answer.strip_prefix(mark.as_str()).or_else(bare)
    });
    // Another model's answer, which did not think: here the thought ends first.
    let close = match (&opened, behind) {
        (Some(mark), None) => thoughts::ending(mark),
        _ => None,
    };
    let skip = behind.map_or(0, |rest| answer.len() - rest.len());
    let mut segments = vec![Segment {
        text: close.unwrap_or_default(),
        special: true,
    }];
    let mut at = 0;
    for (part, text) in thoughts::parts(answer) {
        let from = skip.saturating_sub(at).min(text.len());
        at += text.len();
        segments.push(Segment {
            text: &text[from..],
            special: part == Part::Mark,
        });
    }
    tokenizer.encode_segments_on(&segments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::gguf::GgufFile;
    use crate::testing::{TinySpec, write_tiny_gguf};

    #[test]
    fn an_answer_goes_on_behind_what_the_template_says_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.gguf");
        write_tiny_gguf(&path, &TinySpec::llama()).unwrap();
        let tokenizer = Tokenizer::from_gguf(&GgufFile::open(&path).unwrap()).unwrap();
        let goes_on = |prompt: &str, answer: &str| {
            let prompt = tokenizer.encode(prompt, true).unwrap();
            let ids = tokens(&tokenizer, &prompt, answer).unwrap();
            let bytes: Vec<u8> = ids
                .iter()
                .flat_map(|&id| tokenizer.token_bytes(id))
                .collect();
            String::from_utf8(bytes).unwrap()
        };
        let thinks = "<|im_start|>assistant\n<think>\n";
        for (prompt, answer, expected) in [
            (thinks, "", ""),
            (thinks, "<think>\n", ""),
            (thinks, "<think>\nso", "so"),
            (thinks, "<think>so", "so"),
            (
                thinks,
                "<think>\nso\n</think>\n\nyes",
                "so\n</think>\n\nyes",
            ),
            (thinks, "yes", "\n</think>\n\nyes"),
            ("<|im_start|>assistant\n", "<think>\nso", "<think>\nso"),
            ("<|im_start|>assistant\n", "yes", "yes"),
            ("", "yes", "yes"),
        ] {
            assert_eq!(goes_on(prompt, answer), expected, "{prompt:?} {answer:?}");
        }
    }
}
