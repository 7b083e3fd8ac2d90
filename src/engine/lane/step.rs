//! A step of the decode loop.

use std::ops::ControlFlow;
use std::time::Instant;

use super::{Begin, Decoded, Lane, Voice};
use crate::engine::drafting::Step;
use crate::model::error::Result;

impl Lane {
    /// Feeds `token` and what is drafted behind it; what comes of it is what comes of feeding the
    /// tokens that stay one by one.
    pub(super) fn step(
        &mut self,
        token: u32,
        voice: &mut dyn Voice,
    ) -> Result<ControlFlow<Decoded, Begin>> {
        let mut tokens = voice.draft(self, token);
        if !tokens.is_empty() {
            let room = self.room(1 + tokens.len());
            tokens.truncate(room.saturating_sub(1));
        }
        tokens.insert(0, token);
        let begun = Instant::now();
        let Some(rows) = self.sequence.verify(&tokens, &|| voice.stopped())? else {
            return Ok(ControlFlow::Break(Decoded::Stopped));
        };
        let mut time = begun.elapsed();
        let mut outcome = Ok(ControlFlow::Break(Decoded::Stopped));
        for logits in rows {
            self.fed += 1;
            // What follows the last is asked for when all is settled.
            let (Some(&drafted), true) = (tokens.get(self.fed), logits.is_ok()) else {
                outcome = logits.map(|logits| ControlFlow::Continue(Begin::Logits(logits)));
                break;
            };
            outcome = match logits.and_then(|logits| voice.next(self, logits)) {
                Ok(Some(next)) if next == drafted && voice.stopped() => {
                    Ok(ControlFlow::Break(Decoded::Stopped))
                }
                Ok(Some(next)) if next == drafted => continue,
                Ok(Some(next)) => Ok(ControlFlow::Continue(Begin::Token(next))),
                Ok(None) => Ok(ControlFlow::Break(Decoded::Whole)),
                Err(error) => Err(error),
            };
            break;
        }
        let settling = Instant::now();
        let kept = std::mem::take(&mut self.fed);
        self.sequence.settle(kept)?;
        time += settling.elapsed();
        let step = Step {
            drafted: tokens.len() - 1,
            accepted: kept - 1,
            time,
        };
        voice.stepped(self, step);
        outcome
    }

    /// Tokens, `most` at most, that can be fed before anything is evicted or dropped.
    fn room(&self, most: usize) -> usize {
        let room = self.sequence.room().min(most);
        self.evictor.room(&*self.sequence, room)
    }
}
