//! A step of decoding: one token, and what may be drafted behind it, in one pass over the weights.

use super::Decoder;
use crate::cache::KvCache;
use crate::model::{
    backend::{Backend, Place},
    error::Result,
    logits::Largest,
    mixer::Run,
};

/// What follows the tokens of a step.
pub(in crate::model) enum Predicted<R> {
    /// Logits of each, one behind the other.
    Here(Vec<f32>),
    /// Of the only one: what logits are made of, on the device, and the largest of it.
    There(R, Largest),
}

impl<B: Backend> Decoder<B> {
    /// [`Sequence::verify`](crate::model::Sequence::verify) on a cache of this network: every layer has
    /// seen `tokens` then, and their position is not counted before they are settled; when it is stopped
    /// or fails, the cache is as it was.
    pub(in crate::model) fn step(
        &self,
        cache: &mut KvCache<B::Layer>,
        tokens: &[u32],
        stopped: &dyn Fn() -> bool,
    ) -> Result<Option<Predicted<B::Rows>>> {
        let rows = tokens.len();
        cache.layers.iter_mut().for_each(|l| l.window.expect(rows));
        let mut through = 0;
        let logits = self.pass(cache, tokens, stopped, &mut through);
        if !matches!(logits, Ok(Some(_))) {
            let last = cache.position + rows - 1;
            let half_way = cache.layers.get(through).is_some_and(|l| l.has_seen(last));
            let (seen, rest) = cache.layers.split_at_mut(through + usize::from(half_way));
            seen.iter_mut().for_each(|layer| layer.settle(rows));
            rest.iter_mut().for_each(|layer| layer.settle(0));
        }
        logits
    }

    /// Counts in `through` the layers that have seen them.
    fn pass(
        &self,
        cache: &mut KvCache<B::Layer>,
        tokens: &[u32],
        stopped: &dyn Fn() -> bool,
        through: &mut usize,
    ) -> Result<Option<Predicted<B::Rows>>> {
        let (b, d) = (&self.backend, &self.description);
        let rows = tokens.len();
        let angles = self.angles(cache.position, rows)?;
        let mut x = self.embed(tokens, None)?;
        let embedded = match &self.table {
            Some(_) => Some(self.embed_plain(tokens, None)?),
            None => None,
        };
        for (l, block) in self.blocks.iter().enumerate() {
            if stopped() {
                return Ok(None);
            }
            let place = Place {
                start: cache.position,
                rows,
                angles: self.rope_of[l].map(|kind| &angles[kind]),
                offset: 0,
            };
            let (before, rest) = cache.layers.split_at_mut(l);
            let run = Run {
                place,
                wanted: rows,
                one_by_one: true,
                source: d.layers[l].source().map(|s| (&before[s].layer, 0)),
            };
            let told = self.told(l, tokens, embedded.as_ref())?;
            let Some(out) = block.forward(b, d, x, &mut rest[0], run, told)? else {
                return Ok(None);
            };
            x = out;
            *through = l + 1;
        }
        let unscaled = self.unscaled(&x)?;
        // Scales are positive: the largest stay the largest.
        if rows == 1
            && let Some(largest) = b.largest(&unscaled)?
        {
            return Ok(Some(Predicted::There(unscaled, largest)));
        }
        Ok(Some(Predicted::Here(self.to_host(unscaled)?)))
    }
}
