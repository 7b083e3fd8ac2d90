//! What the expressions of several pre-tokenizers have in common.

use super::super::class::{Is, letter, number, other, space};

/// The text up to the first character that is not of `class`, at most `most` characters.
pub fn run(text: &str, most: usize, class: impl Fn(char) -> bool) -> usize {
    let past = text
        .char_indices()
        .enumerate()
        .find(|(n, (_, c))| *n >= most || !class(*c));
    past.map_or(text.len(), |(_, (at, _))| at)
}

/// Runs of `class`, at most `most` characters each and with one of `lead` before them, apart from
/// what lies between.
pub fn isolate<'a>(
    mut text: &'a str,
    lead: Option<Is>,
    class: Is,
    most: usize,
    emit: &mut dyn FnMut(&'a str),
) {
    let mut gap = 0;
    while let Some(first) = text[gap..].chars().next() {
        let here = &text[gap..];
        let behind = &here[first.len_utf8()..];
        let leads =
            lead.is_some_and(|lead| lead(first)) && behind.chars().next().is_some_and(class);
        let skip = if leads { first.len_utf8() } else { 0 };
        if !leads && !class(first) {
            gap += first.len_utf8();
            continue;
        }
        if gap > 0 {
            emit(&text[..gap]);
        }
        let len = skip + run(&here[skip..], most, class);
        emit(&here[..len]);
        text = &here[len..];
        gap = 0;
    }
    if gap > 0 {
        emit(text);
    }
}

/// `[0-9][0-9][0-9]` apart from the rest.
pub fn thousands<'a>(mut text: &'a str, emit: &mut dyn FnMut(&'a str)) {
    let three = |t: &str| t.len() >= 3 && t.as_bytes()[..3].iter().all(u8::is_ascii_digit);
    let mut rest = 0;
    while rest < text.len() {
        if text.is_char_boundary(rest) && three(&text[rest..]) {
            if rest > 0 {
                emit(&text[..rest]);
            }
            emit(&text[rest..rest + 3]);
            text = &text[rest + 3..];
            rest = 0;
        } else {
            rest += 1;
        }
    }
    if !text.is_empty() {
        emit(text);
    }
}

/// Numbers in threes from their right end. As in llama.cpp, what stands before a number goes with
/// its first digits; the next split parts them.
pub fn groups<'a>(mut text: &'a str, class: Is, emit: &mut dyn FnMut(&'a str)) {
    let mut from = 0;
    while from < text.len() {
        from += run(&text[from..], usize::MAX, |c| !class(c));
        let mut left = text[from..].chars().take_while(|c| class(*c)).count();
        if left == 0 {
            break;
        }
        // What is left of a number after a piece is a multiple of three.
        while left > 0 {
            let digits = if left % 3 > 0 { left % 3 } else { 3 };
            let end = from + run(&text[from..], digits, class);
            emit(&text[..end]);
            text = &text[end..];
            from = 0;
            left -= digits;
        }
    }
    if !text.is_empty() {
        emit(text);
    }
}

/// `\s+$` apart from the rest.
pub fn trailing_spaces<'a>(text: &'a str, emit: &mut dyn FnMut(&'a str)) {
    let (before, behind) = text.split_at(text.trim_end_matches(space).len());
    [before, behind]
        .into_iter()
        .filter(|part| !part.is_empty())
        .for_each(emit);
}

/// Bytes of the contraction that `text` begins with; 0 for none. ASCII only, as in llama.cpp.
pub fn contraction(text: &str, any_case: bool) -> usize {
    let bytes = text.as_bytes();
    let at = |i: usize| {
        let byte = bytes.get(i).copied().unwrap_or(0);
        if any_case {
            byte.to_ascii_lowercase()
        } else {
            byte
        }
    };
    match (at(0), at(1), at(2)) {
        (b'\'', b's' | b't' | b'm' | b'd', _) => 2,
        (b'\'', b'r' | b'v', b'e') | (b'\'', b'l', b'l') => 3,
        _ => 0,
    }
}

/// `\s+(?!\S)|\s+`: a run of spaces leaves its last one to the word after it.
pub fn spaces(text: &str) -> usize {
    let len = run(text, usize::MAX, space);
    let last = text[..len].chars().next_back().map_or(0, char::len_utf8);
    if len < text.len() && len > last {
        len - last
    } else {
        len
    }
}

/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
pub fn gpt2<'a>(mut text: &'a str, emit: &mut dyn FnMut(&'a str)) {
    while let Some(first) = text.chars().next() {
        let skip = usize::from(first == ' ');
        let len = match (contraction(text, false), text[skip..].chars().next()) {
            (0, Some(c)) if letter(c) => skip + run(&text[skip..], usize::MAX, letter),
            (0, Some(c)) if number(c) => skip + run(&text[skip..], usize::MAX, number),
            (0, Some(c)) if other(c) => skip + run(&text[skip..], usize::MAX, other),
            (0, _) => spaces(text),
            (len, _) => len,
        };
        emit(&text[..len]);
        text = &text[len..];
    }
}
