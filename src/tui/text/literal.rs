//! Definitions of links (`[name]: address`) are shown as they stand.
//!
//! Markdown would take them off the page and turn every `[name]` before them into a link, also in
//! text that was laid out long ago. A mark before each bracket that could begin one keeps the
//! parser from seeing it; the mark is taken off what is drawn.

use std::borrow::Cow;

use super::safe;

/// A code point that no text has.
const MARK: char = '\u{fdd0}';

/// Marks every line that could begin a definition.
pub fn mark(text: &str) -> Cow<'_, str> {
    if !text.contains('[') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for line in text.split_inclusive('\n') {
        mark_line(line, &mut out);
    }
    Cow::Owned(out)
}

/// Appends a line, marked where it could begin a definition.
pub fn mark_line(line: &str, out: &mut String) {
    let signs =
        |c: char| matches!(c, ' ' | '>' | '-' | '*' | '+' | '.' | ')') || c.is_ascii_digit();
    let body = line.trim_start_matches(signs);
    let task = ["[ ] ", "[x] ", "[X] "].iter().any(|t| body.starts_with(t));
    if !body.starts_with('[') || task {
        return out.push_str(line);
    }
    out.push_str(&line[..line.len() - body.len()]);
    out.push(MARK);
    out.push_str(body);
}

/// Takes the marks off, and makes safe what entities (`&#27;`) stood for.
pub fn clean(text: &str) -> Cow<'_, str> {
    match text.contains(MARK) {
        true => Cow::Owned(safe::visible(&text.replace(MARK, "")).into_owned()),
        false => safe::visible(text),
    }
}
