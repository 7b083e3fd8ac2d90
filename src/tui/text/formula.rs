//! Formulas (LaTeX) are shown as they are written.
//!
//! The parser knows formulas between dollars only, and takes the backslashes of `\(`, `\[`, `\{` and
//! `\\` for its own. It is given stand-ins, code points that no text has, beside dollars where a formula
//! begins or ends; in what is drawn the signs are back.

/// Signs that begin and end a formula, and their stand-ins with dollars.
static FORMULAS: [[(&str, &str); 2]; 2] = [
    [(r"\(", "$\u{fdd1}"), (r"\)", "\u{fdd2}$")],
    [(r"\[", "$$\u{fdd3}"), (r"\]", "\u{fdd4}$$")],
];

/// Signs in the midst of a text, and their stand-ins.
static SIGNS: [(&str, &str); 8] = [
    (r"\(", "\u{fdd5}"),
    (r"\)", "\u{fdd6}"),
    (r"\[", "\u{fdd7}"),
    (r"\]", "\u{fdd8}"),
    (r"\{", "\u{fdd9}"),
    (r"\}", "\u{fdda}"),
    (r"\\", "\u{fddb}"),
    ("$", DOLLAR),
];

/// A dollar that belongs to no formula.
const DOLLAR: &str = "\u{fddc}";

/// Appends a line's text with stand-ins for the signs of its formulas.
pub fn mark(text: &str, out: &mut String) {
    let mut at = 0;
    while let Some(found) = text[at..].find(['\\', '$']) {
        out.push_str(&text[at..at + found]);
        at += found;
        at += match text[at..].starts_with('$') {
            true => dollar(&text[at..], out),
            false => backslash(text, at, out),
        };
    }
    out.push_str(&text[at..]);
}

/// Puts the signs back.
pub fn restore(mut text: String) -> String {
    for (sign, stand_in) in FORMULAS.iter().flatten().chain(&SIGNS) {
        // Where the parser has parted it from its dollars, it stands alone.
        for stand_in in [*stand_in, stand_in.trim_matches('$')] {
            if text.contains(stand_in) {
                text = text.replace(stand_in, sign);
            }
        }
    }
    text
}

/// A dollar, with the formula that it begins: that ends on the same line, with no space inside its
/// dollars, neither letter nor figure beside them and no code within, or it is a price or a variable. How
/// many bytes that is.
fn dollar(text: &str, out: &mut String) -> usize {
    let behind_word = out.ends_with(char::is_alphanumeric);
    let bytes = match text.strip_prefix("$$") {
        // A formula of its own line may end on another one.
        Some(rest) => Some(rest.find("$$").map_or(2, |end| end + 4)),
        None if behind_word => None,
        None => end(text, "$", "$").map(|end| end + 1).filter(|&bytes| {
            let inside = &text[1..bytes - 1];
            let before_word = text[bytes..].starts_with(char::is_alphanumeric);
            inside.trim() == inside && !before_word && !inside.contains('`')
        }),
    };
    out.push_str(bytes.map_or(DOLLAR, |bytes| &text[..bytes]));
    bytes.unwrap_or(1)
}

/// A backslash and what stands behind it, or the whole formula that it begins.
fn backslash(text: &str, at: usize, out: &mut String) -> usize {
    let rest = &text[at..];
    for [(open, begin), (close, finish)] in FORMULAS {
        if rest.starts_with(open)
            && let Some(closed) = end(rest, open, close)
        {
            out.extend([begin, &rest[open.len()..closed], finish]);
            return closed + close.len();
        }
    }
    let next = rest[1..].chars().next();
    let sign = &rest[..1 + next.map_or(0, char::len_utf8)];
    // A formula of several lines begins and ends at the edge of a line.
    let edge = text[..at].trim_start().is_empty() || rest[sign.len()..].trim().len() < 2;
    let lines = FORMULAS[1].iter().filter(|_| edge);
    let known = lines.chain(&SIGNS).find(|known| known.0 == sign);
    out.push_str(known.map_or(sign, |known| known.1));
    sign.len()
}

/// Where the sign stands that closes a formula; none where another formula begins before it.
fn end(text: &str, open: &str, close: &str) -> Option<usize> {
    let mut at = open.len();
    loop {
        at += text[at..].find(['\\', '$'])?;
        let rest = &text[at..];
        if rest.starts_with(close) {
            return Some(at);
        }
        if rest.starts_with(open) || rest.starts_with('$') {
            return None;
        }
        at += 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_marked_comes_back(text in r"([a-c5 ]|\$|\\|\(|\)|\[|\]|\{|\}){0,24}") {
            let mut marked = String::new();
            mark(&text, &mut marked);
            prop_assert_eq!(restore(marked), text);
        }
    }
}
