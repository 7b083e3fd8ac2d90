//! Text of models, files and file names on a terminal that obeys escape sequences.

use std::io::Write;

use serde::Serialize;

use super::CliError;
use crate::unseen::{harmless, json, stand_in};

/// Control characters, hidden ones and direction overrides made visible; line ends and tabs stay.
/// Each character is looked at on its own, so that pieces of a text can be shown as they come.
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(c),
            c if harmless(c) => out.push(c),
            c => stand_in(c, &mut out),
        }
    }
    out
}

/// [`shown`] on one line.
pub fn name(text: &str) -> String {
    shown(text).replace(['\n', '\t'], " ")
}

/// Writes `value` as one line of JSON that a terminal cannot obey.
///
/// # Errors
/// Of writing.
pub fn write_json(out: &mut impl Write, value: &impl Serialize) -> Result<(), CliError> {
    Ok(writeln!(out, "{}", json(&serde_json::to_string(value)?))?)
}

/// The same over several lines.
///
/// # Errors
/// Of writing.
pub fn write_json_pretty(out: &mut impl Write, value: &impl Serialize) -> Result<(), CliError> {
    Ok(writeln!(
        out,
        "{}",
        json(&serde_json::to_string_pretty(value)?)
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unseen::KINDS;

    #[test]
    fn no_escape_sequence_gets_through() {
        assert_eq!(
            shown("a\x1b]0;x\x07b\u{9b}2J\r\n\tc\u{202e}"),
            "a␛]0;x^Gb<U+009B>2J^M\n\tc<U+202E>"
        );
        assert!(shown(KINDS).chars().all(harmless));
        assert_eq!(name("a\nb\x1b[2J"), "a b␛[2J");
    }

    /// What the app shows and what the commands print differ in nothing but line ends and tabs.
    #[test]
    fn the_app_and_the_commands_agree() {
        for c in (0..=0x10ffff).filter_map(char::from_u32) {
            if !matches!(c, '\n' | '\r' | '\t') {
                let text = format!("a{c}b");
                assert_eq!(
                    shown(&text),
                    crate::tui::text::safe::visible(&text),
                    "{c:?}"
                );
            }
        }
    }
}
