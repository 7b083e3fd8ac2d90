//! Tokens and the lines they stand in.

use std::ops::Range;

use crate::tui::observed::Observed;

/// What is in view.
pub struct View {
    pub lines: Vec<Range<usize>>,
    pub top: usize,
    /// Lines above the text, for the strip.
    pub strip: u16,
    pub rows: u16,
}

/// The line in which a token begins.
pub fn line_of(o: &Observed, lines: &[Range<usize>], token: usize) -> usize {
    let pieces = o.text.pieces();
    let first = |line: &Range<usize>| pieces.get(line.start).map_or(usize::MAX, |p| p.token);
    let behind = lines.partition_point(|line| first(line) <= token);
    let mut line = behind.saturating_sub(1);
    // A token of several lines begins in the first of them.
    while line > 0 && lines.get(line).is_some_and(|l| first(l) == token) {
        let before = lines
            .get(line - 1)
            .and_then(|l| pieces.get(l.end.wrapping_sub(1)));
        if before.is_none_or(|p| p.token != token) {
            break;
        }
        line -= 1;
    }
    line
}

/// The token in a column of a line, or the last one before it.
pub fn token_at(o: &Observed, line: Range<usize>, column: u16) -> Option<usize> {
    let mut x = 0u16;
    let mut found = None;
    for piece in o.text.pieces().get(line)? {
        if found.is_some() && x > column {
            break;
        }
        found = Some(piece.token);
        x = x.saturating_add(piece.width);
    }
    found
}

/// The token `by` lines below (or above) `token`, in about the same column.
pub fn moved(o: &Observed, width: u16, token: usize, by: isize) -> usize {
    let lines = o.text.lines(width.max(1));
    let line = line_of(o, &lines, token);
    let Some(range) = lines.get(line) else {
        return token;
    };
    let before = o.text.pieces().get(range.clone()).unwrap_or(&[]).iter();
    let column: u16 = before
        .take_while(|p| p.token < token)
        .fold(0, |x, p| x.saturating_add(p.width));
    let to = line.saturating_add_signed(by).min(lines.len() - 1);
    if to == line {
        return if by > 0 { o.text.tokens() } else { 0 };
    }
    lines
        .get(to)
        .and_then(|l| token_at(o, l.clone(), column))
        .unwrap_or(token)
}
