//! Text from models, files and pastes, made safe: escape sequences are shown, not obeyed.

use std::borrow::Cow;

use crate::unseen::{harmless, stand_in};

/// Line ends become `\n` (`\r\n` and lone `\r`).
pub fn newlines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Control characters, escape sequences and bidirectional overrides are made visible; tabs become
/// spaces; only `\n` stays of the control characters.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push('\n');
            }
            c if harmless(c) => out.push(c),
            c => stand_in(c, &mut out),
        }
    }
    Cow::Owned(out)
}

/// [`visible`] on one line: line ends become spaces.
pub fn one_line(text: &str) -> String {
    visible(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_shown() {
        assert_eq!(visible("a\x1b[31mred\x07\x7f"), "a␛[31mred^G^?");
        assert_eq!(visible("\u{9b}2J"), "<U+009B>2J");
        assert_eq!(visible("x\u{202e}y"), "x<U+202E>y");
        assert_eq!(visible("a\r\nb\rc\td"), "a\nb\nc    d");
        assert_eq!(visible("日本 e\u{301} 👩‍👩‍👧"), "日本 e\u{301} 👩‍👩‍👧");
    }
}
