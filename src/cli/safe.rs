//! Text of models, files and file names on a terminal that obeys escape sequences.

/// Control characters and direction overrides made visible; line ends and tabs stay. Every
/// character gives one, so that pieces of a text can be shown as they come.
pub fn shown(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
            '\x7f'..='\u{9f}' => '\u{fffd}',
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            _ => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn no_escape_sequence_gets_through() {
        assert_eq!(
            shown("a\x1b]0;x\x07b\u{9b}2J\r\n\tc\u{202e}"),
            "a␛]0;x␇b\u{fffd}2J␍\n\tc\u{fffd}"
        );
    }
}
