//! The steps that pre-tokenizers are made of.

use super::super::class::Is;
use super::scan;
use super::words::Words;

/// One step of a pre-tokenizer; each cuts the pieces of the one before it.
pub enum Step {
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    Gpt2,
    Words(&'static Words),
    /// Runs of a class, so many characters at most.
    Isolate(Is, usize),
    /// Runs of a class, with one character of another before them.
    IsolateBehind(Is, Is),
    /// `\s+$`
    TrailingSpaces,
    /// `[0-9][0-9][0-9]`
    Thousands,
    /// Numbers in threes from the right.
    Groups(Is),
}

/// Cuts `text` by all `steps`.
pub fn cut<'a>(steps: &[Step], text: &'a str, emit: &mut dyn FnMut(&'a str)) {
    let Some((step, rest)) = steps.split_first() else {
        return emit(text);
    };
    let mut next = |part| cut(rest, part, emit);
    match step {
        Step::Gpt2 => scan::gpt2(text, &mut next),
        Step::Words(words) => words.split(text, &mut next),
        Step::Isolate(class, most) => scan::isolate(text, None, *class, *most, &mut next),
        Step::IsolateBehind(lead, class) => {
            scan::isolate(text, Some(*lead), *class, usize::MAX, &mut next);
        }
        Step::TrailingSpaces => scan::trailing_spaces(text, &mut next),
        Step::Thousands => scan::thousands(text, &mut next),
        Step::Groups(class) => scan::groups(text, *class, &mut next),
    }
}
