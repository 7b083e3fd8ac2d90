//! Text from models, files and pastes, made safe: escape sequences are shown, not obeyed.

use std::borrow::Cow;

/// Line ends become `\n` (`\r\n` and lone `\r`).
pub fn newlines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

fn harmless(c: char) -> bool {
    !matches!(
        c,
        '\0'..='\u{9}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200b}'
            | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{f0000}'..='\u{10ffff}'
    )
}

/// What to show in place of one character; `None` for one that is shown as it is.
fn stand_in(c: char, out: &mut String) {
    match c {
        '\t' => out.push_str("    "),
        '\u{1b}' => out.push('␛'),
        '\u{7f}' => out.push_str("^?"),
        '\0'..='\u{1f}' => {
            out.push('^');
            out.push((c as u8 + 64) as char);
        }
        // Zero-width space and byte-order mark carry nothing to see.
        '\u{200b}' | '\u{feff}' => {}
        '\u{2028}' | '\u{2029}' => out.push('\n'),
        '\u{f0000}'..='\u{10ffff}' => out.push('\u{fffd}'),
        _ => out.push_str(&format!("<U+{:04X}>", c as u32)),
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
