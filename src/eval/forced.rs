//! Tokens that are fed whatever the model would say, and the logits behind each.

use super::watch::Watch;
use crate::engine::lane::{Begin, Decoded, Lane, Voice};
use crate::model::Logits;
use crate::model::error::Result;

/// Tokens that go through the network in one pass at most: their logits are in memory together.
const TOGETHER: usize = 32;

/// Feeds `tokens` and shows the logits behind each, in their order; `None` when it was stopped. They are
/// fed some at a time where the lane can, which comes to the same, bit for bit.
pub fn force(
    lane: &mut Lane,
    tokens: &[u32],
    watch: &mut dyn Watch,
    take: &mut dyn FnMut(Vec<f32>),
) -> Result<Option<()>> {
    let Some(&first) = tokens.first() else {
        return Ok(Some(()));
    };
    let mut forced = Forced {
        tokens,
        at: 0,
        take,
        watch,
    };
    let done = lane.decode(Begin::Token(first), &mut forced)?;
    Ok((done == Decoded::Whole).then_some(()))
}

struct Forced<'a, 'w> {
    tokens: &'a [u32],
    /// The token that was fed last.
    at: usize,
    take: &'a mut dyn FnMut(Vec<f32>),
    watch: &'w mut dyn Watch,
}

impl Voice for Forced<'_, '_> {
    fn stopped(&self) -> bool {
        self.watch.stopped()
    }

    fn next(&mut self, _: &Lane, logits: Logits) -> Result<Option<u32>> {
        (self.take)(logits.whole()?);
        self.at += 1;
        Ok(self.tokens.get(self.at).copied())
    }

    fn draft(&mut self, _: &Lane, _: u32) -> Vec<u32> {
        let rest = self.tokens.get(self.at + 1..).unwrap_or_default();
        rest[..rest.len().min(TOGETHER - 1)].to_vec()
    }
}
