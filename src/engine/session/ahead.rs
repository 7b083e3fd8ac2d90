//! What a turn has to read, and whether it fits.

use super::{Model, Session};
use crate::engine::event::{Message, TooLong};
use crate::engine::turn_error::TurnError;
use crate::model::template::TemplateError;

/// How the tokens of a turn are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum How {
    /// Behind what the cache has.
    Behind,
    /// From scratch.
    Fresh,
    /// They are the whole conversation's: what is archived of them is not read.
    Recalled,
}

/// What a turn reads.
pub(in crate::engine) struct Ahead {
    pub how: How,
    pub tokens: Vec<u32>,
    /// The turn's messages up to the answer, as the template writes them.
    pub prompt: Vec<u32>,
}

impl Session {
    /// Tokens of what was said so far; `start` of them are in the cache.
    fn held(&self, start: usize) -> Result<usize, TurnError> {
        // Brought back and not read yet, or rewritten by the template.
        if start > 0 || self.messages.is_empty() {
            return Ok(start);
        }
        let Model {
            tokenizer,
            template,
            ..
        } = &self.model;
        Ok(template
            .encode_chat(tokenizer, &self.messages, false)?
            .len())
    }

    /// Whether so many tokens fit the model's context; `start` of them are in the cache.
    pub(in crate::engine) fn fits(&self, needed: usize, start: usize) -> Result<(), TurnError> {
        let context = self.model.network.description().context;
        match needed > context {
            true => Err(TurnError::TooLong(TooLong {
                needed,
                context,
                held: self.held(start)?,
            })),
            false => Ok(()),
        }
    }

    /// What cannot fit by far is refused before gigabytes are taken for its tokens.
    fn fits_at_all(&self, messages: &[Message]) -> Result<(), TurnError> {
        let context = self.model.network.description().context;
        let longest = messages.iter().max_by_key(|m| m.content.len());
        let text = longest.map_or("", |m| &m.content);
        let needed = self.model.tokenizer.more_than(text, context);
        match needed.map_err(TemplateError::from)? {
            Some(needed) => Err(TurnError::TooLong(TooLong {
                needed,
                context,
                held: self.lane.position(),
            })),
            None => Ok(()),
        }
    }

    /// What has to be prefilled for `messages`. On later turns it is what the template puts behind
    /// the last answer: the answer's own tokens are in the cache.
    pub(in crate::engine) fn ahead(&self, messages: &[Message]) -> Result<Ahead, TurnError> {
        let Model {
            tokenizer,
            template,
            ..
        } = &self.model;
        self.fits_at_all(messages)?;
        let prompt = template.encode_chat(tokenizer, messages, true)?;
        if self.archive.is_some() {
            return Ok(Ahead {
                how: How::Recalled,
                tokens: prompt.clone(),
                prompt,
            });
        }
        let behind = match self.turn > 0 {
            true => prompt.strip_prefix(&self.prompt[..]).unwrap_or_default(),
            false => &[],
        };
        let ends = |id: &u32| tokenizer.eos_ids().contains(id);
        Ok(match behind.iter().position(ends) {
            Some(end) => {
                let pending = self.drawn.pending.into_iter();
                Ahead {
                    how: How::Behind,
                    tokens: pending.chain(behind[end..].iter().copied()).collect(),
                    prompt,
                }
            }
            // The first turn, or the template rewrites what was said: nothing in the cache can be
            // relied on.
            None => Ahead {
                how: How::Fresh,
                tokens: prompt.clone(),
                prompt,
            },
        })
    }
}
