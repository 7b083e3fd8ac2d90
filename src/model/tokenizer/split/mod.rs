//! Pre-tokenizers: how a text is cut into the pieces inside which BPE merges. Written out by hand
//! rather than as regular expressions, for speed and because the look-ahead of `\s+(?!\S)` makes
//! a backtracking engine give up on long runs of spaces.

mod scan;
mod step;
mod table;
mod words;

use super::class::{line_end, space};
use step::cut;
use table::{ALL, Cut};

/// How to split, from `tokenizer.ggml.pre`.
#[derive(Clone, Copy)]
pub struct Split(&'static table::Pre);

impl Split {
    /// The split of a pre-tokenizer by its name in the file; `None` for one that is not supported.
    pub fn by_name(name: &str) -> Option<Split> {
        ALL.iter().find(|pre| pre.names.contains(&name)).map(Split)
    }

    /// Whether a piece that is a token as a whole is taken without merging.
    pub fn takes_whole(self) -> bool {
        self.0.whole
    }

    /// Whether such vocabularies want a BOS where the file does not say.
    pub fn wants_bos(self) -> bool {
        self.0.bos
    }

    /// Whether the vocabulary is written in plain text with SentencePiece's spaces, not in GPT-2's
    /// alphabet.
    pub fn is_plain(self) -> bool {
        self.0.plain
    }

    /// Where `text` may be cut at its line end `at`, so that the pieces of both sides are the pieces of
    /// the whole; `None` where it may not.
    pub fn cut_at(self, text: &str, at: usize) -> Option<usize> {
        let (line, rest) = (&text[..at], &text[at + 1..]);
        match self.0.cut {
            // What goes before a line end never reaches into it, and looks ahead only over spaces.
            Cut::Before => {
                let line = line.strip_suffix('\r').unwrap_or(line);
                let before = line.chars().next_back();
                before.is_some_and(|c| !space(c)).then_some(line.len())
            }
            // A run of spaces up to its last line end is one piece, or the end of the signs before
            // it, which may have slashes too.
            Cut::Behind => {
                // No further than to the next line end, or a run of them would be gone through for each.
                let next = rest.chars().find(|c| line_end(*c) || !space(*c));
                let another = next.is_some_and(line_end);
                (!another && !rest.starts_with('/')).then_some(at + 1)
            }
            Cut::Nowhere => None,
        }
    }

    /// Cuts `text` into pieces, in order; together they are `text`.
    pub fn pieces<'a>(self, text: &'a str, mut emit: impl FnMut(&'a str)) {
        if !text.is_empty() {
            cut(self.0.steps, text, &mut emit);
        }
    }

    /// Every split there is, for tests.
    #[cfg(test)]
    pub fn all() -> impl Iterator<Item = (&'static str, Split)> {
        ALL.iter().map(|pre| (pre.names[0], Split(pre)))
    }
}
