//! The thoughts of an answer that is being drawn: counted, and ended where they are too many.

use std::collections::VecDeque;

use super::event::Sampling;
use crate::model::thoughts::Splitter;
use crate::model::tokenizer::{Segment, Tokenizer};

/// Follows one answer, also over stops.
#[derive(Clone, Debug, Default)]
pub(super) struct Thoughts {
    splitter: Splitter,
    /// Tokens of thoughts so far.
    tokens: usize,
    /// What ends them, to be fed in place of what would be drawn.
    ending: VecDeque<u32>,
    ended: bool,
}

impl Thoughts {
    /// Of an answer that has been given so far; how many tokens that took is not known.
    pub fn of(answer: &str) -> Thoughts {
        let mut thoughts = Thoughts::default();
        thoughts.splitter.push(answer, &mut |_, _| {});
        thoughts
    }

    /// The token that has to come next, where none is to be drawn.
    pub fn forced(&mut self) -> Option<u32> {
        self.ending.pop_front()
    }

    /// The next piece of the answer, as the model writes it.
    pub fn take(&mut self, piece: &str) {
        self.splitter.push(piece, &mut |_, _| {});
    }

    /// Counts a token that was drawn; true where it belongs to a thought. Where it is one too many, what
    /// ends the thought comes next.
    pub fn count(&mut self, tokenizer: &Tokenizer, sampling: &Sampling) -> bool {
        let thinking = self.splitter.thinking();
        self.tokens += usize::from(thinking);
        let bound = sampling.most_thoughts();
        if let Some(text) = self.splitter.ending()
            && !self.ended
            && bound.is_some_and(|bound| self.tokens >= bound)
        {
            let segment = Segment {
                text,
                special: true,
            };
            // A vocabulary that cannot write it lets the model go on.
            self.ending = tokenizer
                .encode_segments_on(&[segment])
                .unwrap_or_default()
                .into();
            self.ended = true;
        }
        thinking
    }
}
