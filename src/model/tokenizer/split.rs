//! Pre-tokenizers: how a text is cut into the pieces inside which BPE merges. Written out by hand
//! rather than as regular expressions, for speed and because the look-ahead of `\s+(?!\S)` makes
//! a backtracking engine give up on long runs of spaces.

use super::class::{letter, number, other, space, symbol};

/// How to split, from `tokenizer.ggml.pre`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    Gpt2,
    /// Every digit alone, then [`Split::Gpt2`].
    DigitsGpt2,
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}|`
    /// ` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
    Llama3 { digits: usize },
    /// llama.cpp's default: symbols apart, [`Split::Gpt2`], numbers apart in threes.
    Default,
}

impl Split {
    /// The split of a pre-tokenizer by its name in the file, and whether a piece that is a token
    /// as a whole is taken without merging; `None` for one that is not supported.
    pub fn by_name(name: &str) -> Option<(Split, bool)> {
        let split = match name {
            "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" | "trillion" | "granite-docling" => {
                Split::Gpt2
            }
            "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" => Split::DigitsGpt2,
            "qwen2" | "deepseek-r1-qwen" | "stablelm2" | "hunyuan" | "megrez" => {
                Split::Llama3 { digits: 1 }
            }
            "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral"
            | "midm-2.0" | "lfm2" => return Some((Split::Llama3 { digits: 3 }, true)),
            "dbrx" | "smaug-bpe" | "glm4" | "chatglm-bpe" => Split::Llama3 { digits: 3 },
            "default" | "" => Split::Default,
            _ => return None,
        };
        Some((split, false))
    }

    /// Where `text` may be cut at its line end `at`, so that the pieces of both sides are the pieces of
    /// the whole; `None` where it may not.
    pub fn cut_at(self, text: &str, at: usize) -> Option<usize> {
        let line_end = |c: char| matches!(c, '\r' | '\n');
        match self {
            // What goes before a line end never reaches into it, and looks ahead only over spaces.
            Split::Gpt2 | Split::DigitsGpt2 | Split::Default => {
                let line = text[..at].strip_suffix('\r').unwrap_or(&text[..at]);
                let before = line.chars().next_back();
                before.is_some_and(|c| !space(c)).then_some(line.len())
            }
            // A run of spaces up to its last line end is one piece, or the end of the signs before it.
            Split::Llama3 { .. } => {
                let rest = &text[at + 1..];
                let spaces = rest.split(|c| !space(c)).next().unwrap_or(rest);
                (!spaces.contains(line_end)).then_some(at + 1)
            }
        }
    }

    /// Cuts `text` into pieces, in order; together they are `text`.
    pub fn pieces<'a>(self, text: &'a str, mut emit: impl FnMut(&'a str)) {
        match self {
            Split::Gpt2 => gpt2(text, &mut emit),
            Split::DigitsGpt2 => isolate(text, number, 1, |part| gpt2(part, &mut emit)),
            Split::Llama3 { digits } => llama3(text, digits, &mut emit),
            Split::Default => isolate(text, symbol, usize::MAX, |part| {
                gpt2(part, &mut |word| {
                    isolate(word, number, usize::MAX, |part| thousands(part, &mut emit));
                });
            }),
        }
    }
}

/// The text up to the first character that is not of `class`, at most `most` characters.
fn run(text: &str, most: usize, class: impl Fn(char) -> bool) -> usize {
    let past = text
        .char_indices()
        .enumerate()
        .find(|(n, (_, c))| *n >= most || !class(*c));
    past.map_or(text.len(), |(_, (at, _))| at)
}

/// Runs of `class`, at most `most` characters each, apart from what lies between them.
fn isolate<'a>(
    mut text: &'a str,
    class: impl Fn(char) -> bool,
    most: usize,
    mut emit: impl FnMut(&'a str),
) {
    while let Some(first) = text.chars().next() {
        let len = if class(first) {
            run(text, most, &class)
        } else {
            run(text, usize::MAX, |c| !class(c))
        };
        emit(&text[..len]);
        text = &text[len..];
    }
}

/// `[0-9][0-9][0-9]` apart from the rest.
fn thousands<'a>(mut text: &'a str, emit: &mut impl FnMut(&'a str)) {
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

/// Bytes of the contraction that `text` begins with; 0 for none. ASCII only, as in llama.cpp.
fn contraction(text: &str, any_case: bool) -> usize {
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
fn spaces(text: &str) -> usize {
    let len = run(text, usize::MAX, space);
    let last = text[..len].chars().next_back().map_or(0, char::len_utf8);
    if len < text.len() && len > last {
        len - last
    } else {
        len
    }
}

fn gpt2<'a>(mut text: &'a str, emit: &mut impl FnMut(&'a str)) {
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

fn llama3<'a>(mut text: &'a str, digits: usize, emit: &mut impl FnMut(&'a str)) {
    while let Some(first) = text.chars().next() {
        let len = llama3_piece(text, first, digits);
        emit(&text[..len]);
        text = &text[len..];
    }
}

fn llama3_piece(text: &str, first: char, digits: usize) -> usize {
    let newline = |c: char| c == '\r' || c == '\n';
    let word = |skip: usize| skip + run(&text[skip..], usize::MAX, letter);
    let contraction = contraction(text, true);
    if contraction > 0 {
        return contraction;
    }
    if letter(first) {
        return word(0);
    }
    if number(first) {
        return run(text, digits, number);
    }
    let after = first.len_utf8();
    if !newline(first) && text[after..].chars().next().is_some_and(letter) {
        return word(after);
    }
    let skip = usize::from(first == ' ');
    if text[skip..].chars().next().is_some_and(other) {
        let len = skip + run(&text[skip..], usize::MAX, other);
        return len + run(&text[len..], usize::MAX, newline);
    }
    let blank = run(text, usize::MAX, space);
    match text[..blank].rfind(newline) {
        Some(last) => last + 1,
        None => spaces(text),
    }
}
