//! One passage under every variant: its beginning is read once, and the tokens that really follow are fed
//! to the full cache and to each that was selected from it.

use std::sync::Arc;
use std::time::Instant;

use super::Passage;
use super::attention::Attention;
use crate::archive::Archive;
use crate::engine::evict::Evictor;
use crate::engine::lane::Lane;
use crate::engine::logits::{argmax, kl};
use crate::engine::session::Model;
use crate::eval::error::EvalError;
use crate::eval::forced::force;
use crate::eval::record::{Followed, Record, TEXT};
use crate::eval::selected::{Selected, select};
use crate::eval::variant::Variant;
use crate::eval::watch::Watch;
use crate::heap;
use crate::model::error::Result;
use crate::model::log_softmax;
use crate::policy::Params;

/// Follows passages.
pub struct Follower<'m> {
    pub model: &'m Model,
    /// The full cache first.
    pub variants: &'m [Variant],
    /// Tokens that are held back, two at least.
    pub follow: usize,
}

/// What the full cache says, which all are held against.
struct Whole {
    lane: Lane,
    /// Logits of every step.
    rows: Vec<Vec<f32>>,
    /// What the tokens that follow look at, and what the last one looks at that was read.
    following: Attention,
    last: Attention,
    /// Of each layer that a policy bounds, the attention output for that last one.
    outputs: Vec<Vec<f32>>,
}

impl Follower<'_> {
    /// A record for each variant; `None` when it was stopped.
    ///
    /// # Errors
    /// The model's own.
    pub fn run(
        &self,
        passage: &Passage,
        tokens: &[u32],
        watch: &mut dyn Watch,
    ) -> std::result::Result<Option<Vec<Record>>, EvalError> {
        let (read, behind) = tokens.split_at(tokens.len().saturating_sub(self.follow));
        let records = self.records(passage, read, behind, watch);
        heap::give_back();
        records
    }

    fn records(
        &self,
        passage: &Passage,
        read: &[u32],
        behind: &[u32],
        watch: &mut dyn Watch,
    ) -> std::result::Result<Option<Vec<Record>>, EvalError> {
        let Some(whole) = self.whole(read, behind, watch)? else {
            return Ok(None);
        };
        let mut out = Vec::with_capacity(self.variants.len());
        for (v, variant) in self.variants.iter().enumerate() {
            let parts = self.variants.len() + 1;
            watch.progress((v + 1) as f64 / parts as f64);
            let begun = Instant::now();
            let evictor = variant.evictor(&*self.model.network, read.len());
            let mut lane = whole.lane.fork(evictor);
            if evictor.bounded() && select(&mut lane, read, watch)?.is_none() {
                return Ok(None);
            }
            let selected = Selected::of(&lane);
            let (l1, bound) = whole.l1(&lane)?;
            let mut followed = Followed {
                retained: whole.following.retained(&lane),
                lost: whole.last.lost(&lane),
                l1,
                bound,
                ..Followed::default()
            };
            // The figures are of one selection: nothing goes while the tokens come.
            lane.set_evictor(Evictor::none(evictor.params));
            let mut step = 0;
            let fed = behind.len().saturating_sub(1);
            let mut take = |logits: Vec<f32>| {
                if let (Some(full), Some(&next)) = (whole.rows.get(step), behind.get(step + 1)) {
                    hold(&mut followed, full, &logits, next);
                }
                step += 1;
            };
            let done = match evictor.bounded() {
                true => force(&mut lane, &behind[..fed], watch, &mut take)?,
                false => {
                    whole.rows.iter().cloned().for_each(take);
                    Some(())
                }
            };
            if done.is_none() {
                return Ok(None);
            }
            let seconds = begun.elapsed().as_secs_f64();
            out.push(record(
                passage, variant, read, behind, selected, followed, seconds,
            ));
        }
        Ok(Some(out))
    }

    /// Reads, and feeds the full cache what follows.
    fn whole(
        &self,
        read: &[u32],
        behind: &[u32],
        watch: &mut dyn Watch,
    ) -> std::result::Result<Option<Whole>, EvalError> {
        let network = &self.model.network;
        let archive = Arc::new(Archive::in_memory(network.identity(), u64::MAX));
        let params = self
            .variants
            .first()
            .map_or_else(Params::default, |v| v.0.params);
        let mut lane = Lane::archiving(network, Evictor::none(params), Some(archive))?;
        if select(&mut lane, read, watch)?.is_none() {
            return Ok(None);
        }
        let windowed = |window: usize| lane.fork(Evictor::none(Params { window, ..params }));
        let last = Attention::with_lengths(&windowed(1), read.len())?;
        let fed = behind.len().saturating_sub(1);
        // Its window holds the queries of all tokens that are fed, and no others.
        let mut ahead = windowed(fed);
        let mut rows = Vec::with_capacity(fed);
        let mut take = |logits: Vec<f32>| rows.push(logits);
        if force(&mut ahead, &behind[..fed], watch, &mut take)?.is_none() {
            return Ok(None);
        }
        let outputs = last
            .layers()
            .map(|layer| lane.layers().attention_output(layer));
        let outputs = outputs.collect::<Result<_>>()?;
        Ok(Some(Whole {
            following: Attention::of(&ahead, read.len())?,
            last,
            outputs,
            rows,
            lane,
        }))
    }
}

impl Whole {
    /// [`Followed::l1`] and [`Followed::bound`] of a cache that was just selected.
    fn l1(&self, lane: &Lane) -> Result<(f64, f64)> {
        let (mut l1, mut bound) = (0.0, 0.0);
        let layers = self.last.layers().zip(self.last.bounds(lane));
        for ((layer, most), full) in layers.zip(&self.outputs) {
            let own = lane.layers().attention_output(layer)?;
            let (mut lost, mut all) = (0.0, 0.0);
            for (&full, &own) in full.iter().zip(&own) {
                lost += f64::from(full - own).abs();
                all += f64::from(full).abs();
            }
            let all = f64::max(all, f64::MIN_POSITIVE);
            l1 += lost / all;
            bound += most / all;
        }
        let layers = self.outputs.len().max(1) as f64;
        Ok((l1 / layers, bound / layers))
    }
}

/// Holds the next step against the full cache's.
fn hold(followed: &mut Followed, full: &[f32], own: &[f32], next: u32) {
    if argmax(full) != argmax(own) {
        followed.differs.push(followed.kl.len());
    }
    // Rounding may leave a hair below nothing.
    followed.kl.push(kl(full, own).max(0.0) as f32);
    followed.surprise.push(-log_softmax(own, next) as f32);
}

fn record(
    passage: &Passage,
    variant: &Variant,
    read: &[u32],
    behind: &[u32],
    selected: Selected,
    followed: Followed,
    seconds: f64,
) -> Record {
    let steps = followed.kl.len();
    let sum: f64 = followed.kl.iter().map(|&kl| f64::from(kl)).sum();
    let agreement = followed.agreement();
    let measured = !variant.is_full() && steps > 0;
    Record {
        sample: passage.id.clone(),
        task: TEXT.into(),
        dataset: passage.dataset.clone(),
        length: Some(passage.length),
        mode: TEXT.into(),
        policy: variant.policy().into(),
        budget: variant.budget(),
        entries: selected.entries,
        prompt_tokens: read.len(),
        bytes: selected.bytes,
        kept_share: selected.share(),
        answer_tokens: behind.len(),
        stop: TEXT.into(),
        metric: "agreement".into(),
        score: agreement,
        kl: measured.then(|| sum / steps as f64),
        top1: measured.then_some(agreement),
        followed: Some(followed),
        seconds,
        ..Record::default()
    }
}
