//! Decoding: tokens are appended, some at a time, and those that stay are settled, after which the
//! sequence is what it would be if they had come one after the other.

use std::sync::Arc;

use super::{Running, finite};
use crate::cache::{PAGE, Store};
use crate::model::decoder::{Decoder, Predicted};
use crate::model::logits::{Best, Logits, Row};
use crate::model::{backend::Backend, error::Result};

/// A row that is read when it is asked for.
struct OnDevice<B: Backend> {
    decoder: Arc<Decoder<B>>,
    unscaled: B::Rows,
}

impl<B: Backend> Row for OnDevice<B> {
    fn read(self: Box<Self>) -> Result<Vec<f32>> {
        let logits = self.decoder.to_host(self.unscaled)?;
        finite(logits, &self.decoder.description)
    }
}

impl<B: Backend> Running<B> {
    /// Tokens that can be appended before anything happens that cannot be undone: so that it happens behind
    /// the same token as if they came one by one, it may be due behind the last of them at the earliest.
    pub(super) fn room_for_steps(&self) -> usize {
        let d = &self.decoder.description;
        if !self.decoder.backend.rows_are_alike() || d.state_bytes() > 0 {
            return 1;
        }
        let layers = self.cache.layers.iter().zip(&d.layers);
        let to_drops = layers.filter_map(|(state, shape)| {
            let longest = state.layer.lens().into_iter().max();
            Some((shape.window()? + PAGE).saturating_sub(longest?))
        });
        let to_write = self.archiver.iter();
        let to_write = to_write.filter_map(|a| a.due_in(self.cache.position));
        to_drops.chain(to_write).min().unwrap_or(usize::MAX).max(1)
    }

    pub(super) fn append(
        &mut self,
        tokens: &[u32],
        stopped: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<Result<Logits>>>> {
        let Some(predicted) = self.decoder.step(&mut self.cache, tokens, stopped)? else {
            return Ok(None);
        };
        self.unsettled = tokens.to_vec();
        let d = &self.decoder.description;
        Ok(Some(match (predicted, tokens) {
            (Predicted::There(unscaled, largest), _) => {
                let finite = largest.finite;
                let scale = |logit: &mut f32| self.decoder.scale(std::slice::from_mut(logit));
                let best = Best::of(largest, d.vocabulary, scale);
                let decoder = self.decoder.clone();
                let row = Box::new(OnDevice { decoder, unscaled });
                vec![match finite {
                    true => Ok(Logits::Far(best, row)),
                    // What is wrong is told by all of it.
                    false => row.read().map(Logits::from),
                }]
            }
            (Predicted::Here(logits), [_]) => vec![finite(logits, d).map(Logits::from)],
            (Predicted::Here(logits), _) => {
                let rows = logits.chunks_exact(d.vocabulary);
                let rows = rows.map(|row| finite(row.to_vec(), d).map(Logits::from));
                rows.collect()
            }
        }))
    }

    pub(super) fn settle_steps(&mut self, kept: usize) -> Result<()> {
        let tokens = std::mem::take(&mut self.unsettled);
        let kept = kept.min(tokens.len());
        let rejected = tokens.len() - kept;
        let layers = self.cache.layers.iter_mut();
        layers.for_each(|layer| layer.settle(rejected));
        self.cache.position += kept;
        self.tokens.extend(&tokens[..kept]);
        self.leave_behind()?;
        let position = self.cache.position;
        if self.archiver.as_ref().is_some_and(|a| a.is_due(position)) {
            self.archive_decoded()?;
        }
        Ok(())
    }

    /// Drops of layers with a window what no query will see any more, a page at a time.
    fn leave_behind(&mut self) -> Result<()> {
        for (l, shape) in self.decoder.description.layers.iter().enumerate() {
            let Some(window) = shape.window() else {
                continue;
            };
            let layer = &self.cache.layers[l].layer;
            if layer.lens().iter().all(|&len| len < window + PAGE) {
                continue;
            }
            let whole = self.is_whole();
            match &mut self.archiver {
                Some(archiver) if whole => archiver.capture(l, layer)?,
                // It is read again before it is archived.
                Some(archiver) => archiver.forget(),
                None => {}
            }
            let seen = layer.since(self.cache.position - window);
            self.cache.layers[l].layer = layer.gather(&seen)?;
        }
        Ok(())
    }
}
