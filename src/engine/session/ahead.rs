//! What a turn has to read, and whether it fits.

use super::{Model, Session};
use crate::engine::event::{Message, TooLong};
use crate::engine::turn_error::TurnError;
use crate::model::template::TemplateError;
use crate::model::thoughts;
use crate::model::tokenizer::Tokenizer;

/// How the tokens of a turn are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum How {
    /// Behind what the cache has.
    Behind,
    /// From scratch.
    Fresh,
    /// They are the whole conversation's: what is archived of them is not read, nor what the cache holds
    /// whole.
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
    fn held(&self, start: usize, stopped: &dyn Fn() -> bool) -> Result<usize, TurnError> {
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
            .encode_chat_until(tokenizer, &self.messages, false, stopped)?
            .len())
    }

    /// Whether so many tokens fit the model's context; `start` of them are in the cache.
    pub(in crate::engine) fn fits(
        &self,
        needed: usize,
        start: usize,
        stopped: &dyn Fn() -> bool,
    ) -> Result<(), TurnError> {
        let context = self.model.network.description().context;
        match needed > context {
            true => Err(TurnError::TooLong(TooLong {
                needed,
                context,
                held: self.held(start, stopped)?,
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
    pub(in crate::engine) fn ahead(
        &self,
        messages: &[Message],
        stopped: &dyn Fn() -> bool,
    ) -> Result<Ahead, TurnError> {
        let Model {
            tokenizer,
            template,
            ..
        } = &self.model;
        self.fits_at_all(messages)?;
        let prompt = template.encode_chat_until(tokenizer, messages, true, stopped)?;
        if self.archive.is_some() {
            return Ok(Ahead {
                how: How::Recalled,
                tokens: prompt.clone(),
                prompt,
            });
        }
        let said = self.messages.last().map_or("", |m| &m.content);
        let behind = match self.lane.position() > 0 {
            true => behind_answer(tokenizer, &self.prompt, said, &prompt),
            false => None,
        };
        Ok(match behind {
            Some(behind) => {
                let pending = self.drawn.pending.into_iter();
                Ahead {
                    how: How::Behind,
                    tokens: pending.chain(behind.iter().copied()).collect(),
                    prompt,
                }
            }
            // The first turn, or the template rewrites what was said: of the cache, only that can be
            // relied on which is the same from the start.
            None => Ahead {
                how: match self.lane.position() {
                    0 => How::Fresh,
                    _ => How::Recalled,
                },
                tokens: prompt.clone(),
                prompt,
            },
        })
    }
}

/// Of a conversation's `tokens`, those from the end of its last answer on: what was `said` behind the tokens
/// of `prompt` stands in the cache as it was decoded, however it is encoded now. `None` where the template
/// rewrites what was said.
pub fn behind_answer<'t>(
    tokenizer: &Tokenizer,
    prompt: &[u32],
    said: &str,
    tokens: &'t [u32],
) -> Option<&'t [u32]> {
    let behind = tokens.strip_prefix(prompt)?;
    let ends = |id: &u32| tokenizer.eos_ids().contains(id);
    let end = behind.iter().position(ends)?;
    stands(tokenizer, said, &behind[..end]).then(|| &behind[end..])
}

/// Whether the template writes what was `said`, as `again`, with the thoughts that it had.
fn stands(tokenizer: &Tokenizer, said: &str, again: &[u32]) -> bool {
    let thought = thoughts::split(said);
    let written = || {
        let bytes: Vec<u8> = again
            .iter()
            .flat_map(|&id| tokenizer.token_bytes(id))
            .collect();
        thoughts::split(&String::from_utf8_lossy(&bytes))
    };
    match thought.thoughts.is_empty() && !thought.open {
        true => true,
        // Broken off, it is closed where it is written again.
        false => !thought.open && !written().thoughts.is_empty(),
    }
}
