//! Character classes of the pre-tokenizers: `\p{L}`, `\p{N}`, `\p{P}` and `\s`.

use std::sync::LazyLock;

/// Sorted, disjoint ranges of one Unicode class, with a bitmap of the first plane.
struct Class {
    plane: Box<[u64; 1024]>,
    ranges: Vec<(char, char)>,
}

impl Class {
    fn new(pattern: &str) -> Class {
        let mut plane = Box::new([0u64; 1024]);
        let mut ranges = Vec::new();
        if let Ok(hir) = regex_syntax::parse(pattern)
            && let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class)) =
                hir.kind()
        {
            ranges = class
                .ranges()
                .iter()
                .map(|r| (r.start(), r.end()))
                .collect();
        }
        for (start, end) in &ranges {
            for code in *start as u32..=(*end as u32).min(0xffff) {
                plane[code as usize / 64] |= 1 << (code % 64);
            }
        }
        Class { plane, ranges }
    }

    fn has(&self, c: char) -> bool {
        let code = c as usize;
        if code <= 0xffff {
            return self.plane[code / 64] >> (code % 64) & 1 == 1;
        }
        let after = self.ranges.partition_point(|(start, _)| *start <= c);
        after > 0 && c <= self.ranges[after - 1].1
    }
}

static LETTER: LazyLock<Class> = LazyLock::new(|| Class::new(r"\p{L}"));
static PUNCTUATION: LazyLock<Class> = LazyLock::new(|| Class::new(r"\p{P}"));

pub fn letter(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphabetic()
    } else {
        LETTER.has(c)
    }
}

pub fn number(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_digit()
    } else {
        c.is_numeric()
    }
}

pub fn space(c: char) -> bool {
    c.is_whitespace()
}

/// Neither space nor letter nor number.
pub fn other(c: char) -> bool {
    !space(c) && !letter(c) && !number(c)
}

/// `[\p{P}\$\+<=>\^~\|]`, the first split of llama.cpp's default pre-tokenizer.
pub fn symbol(c: char) -> bool {
    matches!(c, '$' | '+' | '<' | '=' | '>' | '^' | '~' | '|') || PUNCTUATION.has(c)
}
