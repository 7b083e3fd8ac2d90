//! THE TABLE of characters that a terminal obeys, or that show nothing and still change what is read:
//! text of models, files, file names and the Hub goes through it before it reaches a terminal, a pipe
//! or JSON.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether `c` can be shown as it is. Of the control characters only the line end can.
pub fn harmless(c: char) -> bool {
    !matches!(
        c,
        // C0, DEL and C1.
        '\0'..='\u{9}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
            // Directions, line ends of another kind, what takes no room; but not the joiners, which
            // emoji and scripts need.
            | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            // Tags and selectors that carry a hidden text, private planes.
            | '\u{e0000}'..='\u{10ffff}'
    )
}

/// What to show in place of a character that is not [`harmless`].
pub fn stand_in(c: char, out: &mut String) {
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
        '\u{e0000}'..='\u{10ffff}' => out.push('\u{fffd}'),
        _ => {
            let _ = write!(out, "<U+{:04X}>", c as u32);
        }
    }
}

/// JSON that says the same in harmless characters: the others are escaped. They can only stand in
/// strings, where an escape is what they are.
pub fn json(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| harmless(c) || c == '\t') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\t' | '\r' => out.push(c),
            c if harmless(c) => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    Cow::Owned(out)
}

/// `text` as a TOML string of harmless characters that says the same; only basic strings know escapes.
pub fn toml_string(text: &str) -> String {
    if text.chars().all(|c| harmless(c) || c == '\t') {
        return toml::Value::String(text.to_string()).to_string();
    }
    let mut out = String::with_capacity(text.len() + 16);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if harmless(c) => out.push(c),
            c => {
                let _ = write!(out, "\\U{:08X}", c as u32);
            }
        }
    }
    out.push('"');
    out
}

/// One character of each kind that is not harmless, for tests.
#[doc(hidden)]
pub const KINDS: &str = "\0\u{7}\u{8}\u{b}\u{1b}\u{7f}\u{80}\u{9b}\u{9d}\u{9f}\u{61c}\u{180e}\u{200b}\
    \u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{feff}\u{fff9}\
    \u{e0001}\u{e0041}\u{e007f}\u{e0100}\u{f0000}\u{10ffff}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_any_kind_gets_through() {
        for c in KINDS.chars() {
            assert!(!harmless(c), "{c:?}");
            let mut shown = String::new();
            stand_in(c, &mut shown);
            assert!(shown.chars().all(harmless), "{c:?}");
        }
        let emoji = "日本 e\u{301} 👩‍👩‍👧 ❤\u{fe0f} \u{200c}";
        assert!(emoji.chars().all(harmless));
    }

    #[test]
    fn json_says_the_same_in_other_characters() {
        let said = serde_json::json!({ KINDS: [KINDS, "日本\t\r\n\"\\"] });
        for text in [said.to_string(), format!("{said:#}")] {
            let safe = json(&text);
            assert!(safe.chars().all(harmless), "{safe}");
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&safe).unwrap(),
                said
            );
        }
        assert!(matches!(json("{\"a\": \"日本\"}"), Cow::Borrowed(_)));
    }

    #[test]
    fn toml_says_the_same_in_other_characters() {
        let mixed = format!("\"\\'日本\n\t{KINDS}\r\n");
        for said in ["", "plain", "日本\t\"\\'x", "a\nb\n", KINDS, &mixed] {
            let safe = toml_string(said);
            assert!(safe.chars().all(|c| harmless(c) || c == '\t'), "{safe}");
            let table: toml::Table = toml::from_str(&format!("a = {safe}")).unwrap();
            assert_eq!(table.get("a").and_then(toml::Value::as_str), Some(said));
        }
    }
}
