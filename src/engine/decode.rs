//! Answering: the decode loop with its evictions, told to a watcher.

use std::time::{Duration, Instant};

use super::event::{CachePicture, Event, LayerEviction, Sampling, Stop, Trigger, TurnStats};
use super::evict::Evictor;
use super::picture::{picture, round};
use super::sampler::Sampler;
use super::session::{Session, TurnError, Watcher};
use crate::cache::KvCache;
use crate::model::detokenize::{Detokenizer, Utf8Stream};
use crate::model::{ModelError, Network};

/// How often a running answer shows its cache.
pub(super) const PICTURE_EVERY: Duration = Duration::from_millis(50);

/// What an answer that was cut off goes on with.
pub(super) struct Cut {
    /// How its tokens were drawn, and where the random numbers are.
    sampling: Sampling,
    sampler: Sampler,
    /// The beginning of a character whose rest did not come.
    held: Utf8Stream,
}

impl Cut {
    /// The sampler, where tokens are still drawn the same way; and the held bytes.
    fn resume(self, sampling: &Sampling) -> (Option<Sampler>, Utf8Stream) {
        let longest = |s: &Sampling| Sampling {
            max_tokens: 0,
            ..s.clone()
        };
        let same = longest(&self.sampling) == longest(sampling);
        (same.then_some(self.sampler), self.held)
    }
}

impl Session {
    /// The decode loop, from the logits of the next token or, without any, from the pending token.
    /// The answer so far is returned even when it fails.
    pub(super) fn decode(
        &mut self,
        mut next: Option<Vec<f32>>,
        sampling: &Sampling,
        evictor: &Evictor,
        stats: &mut TurnStats,
        watcher: &mut dyn Watcher,
    ) -> (String, Result<(), TurnError>) {
        let (sampler, held) = match self.cut.take() {
            Some(cut) if next.is_none() => cut.resume(sampling),
            _ => (None, Utf8Stream::default()),
        };
        let Session {
            model,
            cache,
            tokens,
            pending,
            peak_bytes,
            ..
        } = self;
        let d = model.network.description();
        let mut sampler = sampler.unwrap_or_else(|| Sampler::new(sampling));
        let mut text = Detokenizer::resume(&model.tokenizer, held);
        let mut answer = String::new();
        let turn = stats.turn;
        let begun = Instant::now();
        let mut pictured = Instant::now();
        let outcome = loop {
            if let Some(logits) = next.take() {
                let token = match sampler.draw(logits, tokens) {
                    Ok(token) => token,
                    Err(error) => break Err(error.into()),
                };
                if model.tokenizer.eos_ids().contains(&token) {
                    stats.stop = Stop::Eos;
                    break Ok(());
                }
                tokens.push(token);
                *pending = Some(token);
                stats.generated_tokens += 1;
                if let Some(piece) = text.push(token) {
                    answer.push_str(&piece);
                    watcher.event(Event::Text { turn, piece });
                }
                watcher.event(Event::Decoded {
                    turn,
                    generated: stats.generated_tokens,
                    seconds: begun.elapsed().as_secs_f64(),
                    position: cache.position,
                });
                if stats.generated_tokens >= sampling.max_tokens || cache.position >= d.context {
                    stats.stop = Stop::Length;
                    break Ok(());
                }
            }
            if watcher.stopped() {
                break Ok(());
            }
            let Some(token) = *pending else {
                break Ok(());
            };
            // Before the token is appended, so that the bound holds at every moment.
            match make_room(&*model.network, cache, evictor) {
                Ok(Some(made)) => {
                    *peak_bytes = made.peak.max(*peak_bytes);
                    let round = round(
                        &*model.network,
                        Trigger::Decode,
                        turn,
                        made.layers,
                        made.milliseconds,
                    );
                    watcher.event(Event::Eviction(Box::new(round)));
                    let holders = cache.holders();
                    watcher.picture(CachePicture {
                        holders,
                        ..picture(&*model.network, cache, Some(evictor), *peak_bytes)
                    });
                    pictured = Instant::now();
                }
                Ok(None) if pictured.elapsed() >= PICTURE_EVERY => {
                    *peak_bytes = (cache.allocated_bytes() as u64).max(*peak_bytes);
                    watcher.picture(picture(&*model.network, cache, Some(evictor), *peak_bytes));
                    pictured = Instant::now();
                }
                Ok(None) => {}
                Err(error) => break Err(error.into()),
            }
            match model.network.decode(cache, token, &|| watcher.stopped()) {
                Ok(Some(logits)) => {
                    *pending = None;
                    next = Some(logits);
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.into()),
            }
        };
        let cut = outcome.is_ok() && stats.stop != Stop::Eos;
        let mut held = text.into_held();
        if !cut {
            let piece = held.finish();
            if !piece.is_empty() {
                answer.push_str(&piece);
                watcher.event(Event::Text { turn, piece });
            }
        }
        self.ended = Some(stats.stop);
        self.cut = cut.then(|| Cut {
            sampling: sampling.clone(),
            sampler,
            held,
        });
        self.peak_bytes = self.peak_bytes.max(self.cache.allocated_bytes() as u64);
        (answer, outcome)
    }
}

/// What [`make_room`] did.
pub(super) struct MadeRoom {
    pub layers: Vec<LayerEviction>,
    pub milliseconds: f64,
    /// Most bytes of the cache's buffers on the way, a layer's old ones beside its new.
    pub peak: u64,
}

/// Evicts every layer that one more token would take over its bound.
pub(super) fn make_room(
    network: &dyn Network,
    cache: &mut KvCache,
    evictor: &Evictor,
) -> Result<Option<MadeRoom>, ModelError> {
    if !evictor.bounded() {
        return Ok(None);
    }
    let d = network.description();
    let begun = Instant::now();
    let position = cache.position;
    let mut layers = Vec::new();
    let mut peak = 0;
    for l in 0..cache.layers.len() {
        let bound = evictor.bound(l, d.layers, position, d.kv_heads);
        if cache.layers[l].layer.entries() + d.kv_heads <= bound {
            continue;
        }
        let before = cache.allocated_bytes();
        if let Some(found) = evictor.evict(network, l, &mut cache.layers[l], position)? {
            peak = peak.max(before + cache.layers[l].layer.allocated_bytes());
            layers.push(found.report);
        }
    }
    Ok((!layers.is_empty()).then_some(MadeRoom {
        layers,
        milliseconds: begun.elapsed().as_secs_f64() * 1000.0,
        peak: peak as u64,
    }))
}
