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
    let opened = opened(tokenizer, prompt);
    let behind = opened
        .as_ref()
        .and_then(|mark| answer.strip_prefix(mark.as_str()));
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
