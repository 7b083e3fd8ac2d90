//! Definitions of links (`[name]: address`) are shown as they stand.
//!
//! Markdown would take them off the page and turn every `[name]` before them into a link, also in
//! text that was laid out long ago. A mark before each bracket that could begin one keeps the
//! parser from seeing it; the mark is taken off what is drawn.

use std::borrow::Cow;

use super::{formula, safe};

/// A code point that no text has.
const MARK: char = '\u{fdd0}';

/// Marks every line that could begin a definition, and the signs of formulas.
pub fn mark(text: &str) -> Cow<'_, str> {
    if !text.contains(['[', '\\', '$']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for line in text.split_inclusive('\n') {
        mark_line(line, &mut out);
    }
    Cow::Owned(out)
}

/// Appends a line, marked where it could begin a definition and where it has signs of formulas.
pub fn mark_line(line: &str, out: &mut String) {
    let signs =
        |c: char| matches!(c, ' ' | '>' | '-' | '*' | '+' | '.' | ')') || c.is_ascii_digit();
    let body = line.trim_start_matches(signs);
    let task = ["[ ] ", "[x] ", "[X] "].iter().any(|t| body.starts_with(t));
    out.push_str(&line[..line.len() - body.len()]);
    if body.starts_with('[') && !task {
        out.push(MARK);
    }
    formula::mark(body, out);
}

/// Takes the marks off, and makes safe what entities (`&#27;`) stood for.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(|c: char| matches!(c, MARK..='\u{fdef}')) {
        return safe::visible(text);
    }
    let text = formula::restore(text.replace(MARK, ""));
    Cow::Owned(safe::visible(&text).into_owned())
}
