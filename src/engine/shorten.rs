//! The first part of a text that fits into so many tokens.

use crate::model::tokenizer::{Tokenizer, TokenizerError};

/// The end of the text's longest beginning of at most `most` tokens, in bytes, and how many tokens
/// that is. It ends with a line or a word where one ends near.
pub(super) fn shorten(
    tokenizer: &Tokenizer,
    text: &str,
    most: usize,
) -> Result<(usize, usize), TokenizerError> {
    let ids = tokenizer.encode(text, false)?;
    if ids.len() <= most {
        return Ok((text.len(), ids.len()));
    }
    let bytes = ids
        .iter()
        .take(most)
        .map(|&id| tokenizer.token_bytes(id).len());
    let mut end = bytes.sum::<usize>().min(text.len());
    // A beginning on its own may be split otherwise than in the whole.
    loop {
        end = near(text, end);
        let tokens = tokenizer.encode(&text[..end], false)?.len();
        if tokens <= most || end == 0 {
            return Ok((end, tokens));
        }
        end = (end * most / tokens).min(end - 1);
    }
}

/// The end of a line in the last fifth before `end`, else of a word near it, else of a character.
fn near(text: &str, end: usize) -> usize {
    let end = text.floor_char_boundary(end);
    if end == text.len() {
        return end;
    }
    let line = text[..end].rfind('\n').map(|at| at + 1);
    let word = text[..end].rfind(char::is_whitespace);
    let close = |share: usize| move |at: &usize| end - at <= end / share;
    line.filter(close(5))
        .or(word.filter(close(20)))
        .unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_fall_between_lines_words_and_characters() {
        let lines = "one two three\nfour five six\n".repeat(4);
        assert_eq!(near(&lines, 30), 28);
        let line = format!("{} end", "word ".repeat(40));
        assert_eq!(near(&line, 103), 99);
        assert_eq!(near("日本語日本語", 8), 6);
        assert_eq!(near("short", 5), 5);
    }
}
