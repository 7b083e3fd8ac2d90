//! The splits that llama 3's made common: a text is words, numbers, signs and spaces; what goes into
//! each is data.

use super::super::class::{
    Is, han, letter, letter_or_mark, line_end, mark, number, other, punctuation_or_symbol, space,
};
use super::scan::{contraction, run, spaces};

/// One expression of a family: the first of its parts that matches is the piece.
pub struct Words {
    /// Runs of these come before all else.
    pub first: Option<Is>,
    /// `[!-/:-@\[-`{-~][A-Za-z]+` comes before words.
    pub joined: bool,
    pub contraction: Contraction,
    /// What a word may have before it, once.
    pub lead: Is,
    /// A word is some of `upper` and then some of `lower`, of which one may lack.
    pub upper: Is,
    pub lower: Is,
    /// Words go on over single spaces, and over marks.
    pub sentences: bool,
    /// Most digits of a piece; 0 where numbers do not match.
    pub digits: usize,
    /// Signs, with a space before and `tail` behind them.
    pub signs: Is,
    pub tail: Is,
    pub tail_most: usize,
    pub blank: Blank,
}

/// How many spaces are looked through for a line end where they are cut into powers of two.
const LOOK: usize = 1 << 14;

/// Where `'s`, `'ve` and so on go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Contraction {
    None,
    /// They are pieces.
    Piece,
    /// They end the word before them.
    End,
}

/// What is made of white space.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Blank {
    /// `\s*[\r\n]+|\s+(?!\S)|\s+`
    UpToLineEnd,
    /// `[\r\n]|\s+(?!\S)|\s+`
    LineEndsAlone,
    /// `\s*[\r\n]+`, then so many as the largest power of two, 512 at most, that leaves one.
    Powers,
}

fn none(_: char) -> bool {
    false
}

fn line_end_or_slash(c: char) -> bool {
    line_end(c) || c == '/'
}

fn before_word(c: char) -> bool {
    !line_end(c) && !letter(c) && !number(c)
}

fn upper(c: char) -> bool {
    letter(c) && !c.is_ascii_lowercase()
}

fn lower(c: char) -> bool {
    letter(c) && !c.is_ascii_uppercase()
}

/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|`
/// ` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
pub static LLAMA3: Words = Words {
    first: None,
    joined: false,
    contraction: Contraction::Piece,
    lead: before_word,
    upper: letter,
    lower: letter,
    sentences: false,
    digits: 3,
    signs: other,
    tail: line_end,
    tail_most: usize::MAX,
    blank: Blank::UpToLineEnd,
};

pub static QWEN2: Words = Words {
    digits: 1,
    ..LLAMA3
};

pub static QWEN35: Words = Words {
    upper: letter_or_mark,
    lower: letter_or_mark,
    signs: |c| other(c) && !letter_or_mark(c),
    ..QWEN2
};

/// Numbers are apart already.
pub static MINICPM5: Words = Words {
    digits: usize::MAX,
    ..LLAMA3
};

pub static UFAKZEKA: Words = Words {
    contraction: Contraction::None,
    ..QWEN2
};

pub static SEED_CODER: Words = Words {
    tail: none,
    ..QWEN2
};

pub static EXAONE_MOE: Words = Words {
    sentences: true,
    tail: line_end_or_slash,
    tail_most: 1,
    ..QWEN2
};

pub static JAIS2: Words = Words {
    blank: Blank::Powers,
    ..LLAMA3
};

/// As llama.cpp has it: letters outside ASCII are of either case, and marks are signs.
pub static TEKKEN: Words = Words {
    contraction: Contraction::None,
    upper,
    lower,
    tail: line_end_or_slash,
    ..QWEN2
};

pub static GPT_4O: Words = Words {
    contraction: Contraction::End,
    digits: 3,
    ..TEKKEN
};

pub static GRANITE_EMBEDDING: Words = Words {
    upper: |c| letter_or_mark(c) && !c.is_ascii_lowercase(),
    lower: |c| letter_or_mark(c) && !c.is_ascii_uppercase(),
    ..GPT_4O
};

/// Without cases, as llama.cpp has it.
pub static TINY_AYA: Words = Words {
    upper: letter_or_mark,
    lower: letter_or_mark,
    ..GPT_4O
};

pub static YOUTU: Words = Words {
    digits: 1,
    ..TINY_AYA
};

pub static KIMI_K2: Words = Words {
    first: Some(han),
    contraction: Contraction::End,
    upper: |c| letter(c) && !han(c),
    lower: |c| letter(c) && !han(c),
    ..LLAMA3
};

/// `[!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|`
/// `\s*[\r\n]+|\s+(?!\S)|\s+`
pub static DEEPSEEK3: Words = Words {
    joined: true,
    contraction: Contraction::None,
    lead: |c| !line_end(c) && !letter(c) && !punctuation_or_symbol(c),
    upper: letter_or_mark,
    lower: letter_or_mark,
    digits: 0,
    signs: punctuation_or_symbol,
    ..LLAMA3
};

pub static SPARK: Words = Words {
    tail: none,
    blank: Blank::LineEndsAlone,
    ..DEEPSEEK3
};

impl Words {
    /// Calls `emit` for each piece; what no part of the expression matches is one piece up to the
    /// next that does.
    pub fn split<'a>(&self, mut text: &'a str, emit: &mut dyn FnMut(&'a str)) {
        let mut gap = 0;
        while let Some(first) = text[gap..].chars().next() {
            let len = self.piece(&text[gap..], first);
            if len == 0 {
                gap += first.len_utf8();
                continue;
            }
            if gap > 0 {
                emit(&text[..gap]);
            }
            emit(&text[gap..gap + len]);
            text = &text[gap + len..];
            gap = 0;
        }
        if gap > 0 {
            emit(text);
        }
    }

    /// Bytes of the piece that `text` begins with; 0 where nothing matches.
    fn piece(&self, text: &str, first: char) -> usize {
        if let Some(class) = self.first
            && class(first)
        {
            return run(text, usize::MAX, class);
        }
        if self.contraction == Contraction::Piece {
            let len = contraction(text, true);
            if len > 0 {
                return len;
            }
        }
        if self.joined && first.is_ascii_punctuation() {
            let letters = run(&text[1..], usize::MAX, |c| c.is_ascii_alphabetic());
            if letters > 0 {
                return 1 + letters;
            }
        }
        let word = self.word(text, first);
        if word > 0 {
            let end = self.contraction == Contraction::End;
            return word
                + if end {
                    contraction(&text[word..], true)
                } else {
                    0
                };
        }
        if self.digits > 0 && number(first) {
            return run(text, self.digits, number);
        }
        let skip = usize::from(first == ' ');
        if text[skip..].chars().next().is_some_and(self.signs) {
            let len = skip + run(&text[skip..], usize::MAX, self.signs);
            return len + run(&text[len..], self.tail_most, self.tail);
        }
        if space(first) {
            self.blank(text, first)
        } else {
            0
        }
    }

    /// A word with or without something before it, the first that matches in the expression's order.
    fn word(&self, text: &str, first: char) -> usize {
        let lead = Some(first.len_utf8()).filter(|_| (self.lead)(first));
        for both in [true, false] {
            for from in lead.into_iter().chain([0]) {
                let len = self.letters(&text[from..], both);
                if len > 0 {
                    return from + len;
                }
            }
        }
        0
    }

    /// `upper*lower+`, else `upper+lower*`.
    fn letters(&self, text: &str, ends_lower: bool) -> usize {
        if self.sentences {
            return sentence(text);
        }
        let upper = run(text, usize::MAX, self.upper);
        if !ends_lower {
            return upper;
        }
        let lower = run(&text[upper..], usize::MAX, self.lower);
        if lower > 0 {
            return upper + lower;
        }
        // One letter is given back, the last that may be either.
        let either = text[..upper].char_indices().rev();
        let mut either = either.filter(|(_, c)| (self.lower)(*c));
        either.next().map_or(0, |(at, c)| at + c.len_utf8())
    }

    fn blank(&self, text: &str, first: char) -> usize {
        if self.blank == Blank::LineEndsAlone {
            return if line_end(first) { 1 } else { spaces(text) };
        }
        // Powers are looked for again and again in one run.
        let most = if self.blank == Blank::Powers {
            LOOK
        } else {
            usize::MAX
        };
        let len = run(text, most, space);
        if let Some(last) = text[..len].rfind(line_end) {
            return last + 1;
        }
        if self.blank == Blank::UpToLineEnd {
            return spaces(text);
        }
        let count = text[..len].chars().count().min(513);
        let most = count - usize::from(len < text.len() || count > 512);
        let power = most.max(1).ilog2();
        run(text, 1 << power, space)
    }
}

/// `(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+`
fn sentence(text: &str) -> usize {
    let mut len = 0;
    loop {
        let skip = usize::from(len > 0 && text[len..].starts_with(' '));
        let Some(c) = text[len + skip..].chars().next().filter(|c| letter(*c)) else {
            return len;
        };
        len += skip + c.len_utf8();
        len += run(&text[len..], usize::MAX, mark);
    }
}
