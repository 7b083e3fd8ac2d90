//! What the engine has told so far, recorded for the panels. Pure: times come in from outside.

pub mod series;
pub mod speed;
pub mod text;

use crate::engine::event::{
    Archived, CachePicture, Event, EvictionRound, InForce, Mode, ModelInfo, PolicyInfo,
};
use series::{Merge, Series};
use speed::Rate;
use text::TokenText;

/// Most rounds kept; beyond them the oldest are dropped and only counted.
const ROUNDS: usize = 2000;
/// Rounds whose layers are kept too.
const DETAILED: usize = 400;

/// An eviction with the moment it happened.
#[derive(Clone, Debug)]
pub struct Round {
    /// Seconds since the app started.
    pub at: f64,
    /// The wall clock as shown, `12:04:31`.
    pub clock: String,
    pub round: EvictionRound,
}

/// The engine as the panels know it. A clone of it is a frozen picture.
#[derive(Clone, Debug)]
pub struct Observed {
    pub model: Option<ModelInfo>,
    pub policy: PolicyInfo,
    /// The newest picture; `holders` are the last ones told.
    pub picture: CachePicture,
    /// The conversation's archive as told last; as if off before anything is told.
    pub archive: Archived,
    /// A turn is running: what it reads and writes is archived when it ends.
    archiving: bool,
    pub rounds: Vec<Round>,
    /// Rounds that were too old to keep.
    pub dropped: usize,
    /// Text of each position of the conversation.
    pub tokens: Vec<String>,
    /// The same, laid out for the screen.
    pub text: TokenText,
    /// Bytes used against what a full cache would take, evictions marked.
    pub memory: Series,
    pub prefill: Rate,
    pub decode: Rate,
}

impl Default for Observed {
    fn default() -> Self {
        Observed {
            model: None,
            policy: PolicyInfo::default(),
            picture: CachePicture::default(),
            archive: Archived {
                mode: Mode::Off,
                ..Archived::default()
            },
            archiving: false,
            rounds: Vec::new(),
            dropped: 0,
            tokens: Vec::new(),
            text: TokenText::default(),
            memory: Series::new(Merge::Highest),
            prefill: Rate::default(),
            decode: Rate::default(),
        }
    }
}

impl Observed {
    /// Takes an event in; `at` in seconds since the app started, `clock` as shown.
    pub fn event(&mut self, event: &Event, at: f64, clock: &str) {
        match event {
            Event::Ready { model, policy } => {
                // Another model: figures of the one before say nothing any more.
                *self = Observed::default();
                self.model = Some((**model).clone());
                self.policy = *policy;
            }
            Event::PolicyChanged(policy) => self.policy = *policy,
            Event::InForce(in_force) => self.policy.in_force = *in_force,
            Event::Eviction(round) => self.evicted(round, at, clock),
            Event::Archive(archive) => {
                self.archive = (**archive).clone();
                self.archiving = false;
            }
            Event::TurnStarted { position, .. } => {
                self.archiving = true;
                if self.archives() && self.archive.tokens < *position {
                    // Brought back: the bytes are told when the turn ends.
                    (self.archive.tokens, self.archive.bytes) = (*position, 0);
                }
            }
            Event::Failed { .. } | Event::Fatal(_) => self.archiving = false,
            Event::Tokens(tokens) => {
                self.tokens.clone_from(tokens);
                self.text = TokenText::new(tokens);
            }
            Event::Prefill {
                turn,
                done,
                total,
                tokens,
                seconds,
            } if *total > 0 => {
                let through = *tokens as f64 * *done as f64 / *total as f64;
                self.prefill.told(*turn, through, *seconds, at);
            }
            Event::Decoded {
                turn,
                generated,
                seconds,
                ..
            } => self.decode.told(*turn, *generated as f64, *seconds, at),
            // A prefill that was stopped says how long it took, not how far it got.
            Event::TurnFinished(stats) if stats.generated_tokens > 0 => {
                let tokens = stats.prompt_tokens as f64;
                self.prefill
                    .ended(stats.turn, tokens, stats.prefill_seconds, at);
                let tokens = stats.generated_tokens as f64;
                self.decode
                    .ended(stats.turn, tokens, stats.decode_seconds, at);
            }
            _ => {}
        }
    }

    fn evicted(&mut self, round: &EvictionRound, at: f64, clock: &str) {
        self.rounds.push(Round {
            at,
            clock: clock.to_owned(),
            round: round.clone(),
        });
        if self.rounds.len() > ROUNDS {
            let old = ROUNDS / 4;
            self.rounds.drain(..old);
            self.dropped += old;
        }
        if let Some(old) = self.rounds.len().checked_sub(DETAILED + 1)
            && let Some(round) = self.rounds.get_mut(old)
        {
            round.round.layers = Vec::new();
        }
        let last = self.memory.last().unwrap_or_default();
        self.memory.push(at, last.value, last.over, true);
    }

    /// Takes the newest picture of the cache in.
    pub fn picture(&mut self, mut picture: CachePicture, at: f64) {
        if picture.holders.is_empty() && picture.position >= self.picture.position {
            picture.holders = std::mem::take(&mut self.picture.holders);
        }
        let (used, full) = (picture.used_bytes as f64, picture.full_bytes as f64);
        self.memory.push(at, used, full, false);
        self.picture = picture;
    }

    /// A new conversation has begun.
    pub fn restart(&mut self) {
        self.rounds.clear();
        self.dropped = 0;
        self.tokens.clear();
        self.text = TokenText::default();
        self.picture.holders.clear();
        (self.archive.tokens, self.archive.bytes) = (0, 0);
        self.archiving = false;
        self.memory = Series::new(Merge::Highest);
    }

    /// What is read is kept, whatever is evicted.
    pub fn archives(&self) -> bool {
        self.archive.mode != Mode::Off
    }

    /// Tokens from the first on that are archived, or will be when the running turn ends.
    pub fn archived(&self) -> usize {
        match (self.archives(), self.archiving) {
            (false, _) => 0,
            (true, true) => usize::MAX,
            (true, false) => self.archive.tokens,
        }
    }

    /// Layers whose entries are known: all of them, or those a running prefill is through with.
    pub fn layers_known(&self) -> usize {
        let layers = self.picture.lens.len();
        self.picture.filled_layers.map_or(layers, |n| n.min(layers))
    }

    /// Layers of the map, the ones not yet there included.
    pub fn layers(&self) -> usize {
        let model = self.model.as_ref().map_or(0, |m| m.layers);
        self.picture.lens.len().max(model)
    }

    /// KV heads of the layer that has most.
    pub fn kv_heads(&self) -> usize {
        let seen = self.picture.lens.iter().map(Vec::len).max();
        let model = self.model.as_ref().map_or(0, |m| m.kv_heads);
        seen.unwrap_or(0).max(model)
    }

    /// Heads over all layers that a policy bounds.
    pub fn all_heads(&self) -> usize {
        self.growing_layers() * self.kv_heads()
    }

    /// What a layer sees, where a sliding window bounds it in place of a policy.
    pub fn window(&self, layer: usize) -> Option<u32> {
        self.picture.windows.get(layer).copied().flatten()
    }

    /// Bytes of the state that a layer keeps in place of entries.
    pub fn state(&self, layer: usize) -> Option<u64> {
        self.picture.states.get(layer).copied().flatten()
    }

    /// The earlier layer whose entries a layer sees, where it holds none.
    pub fn source(&self, layer: usize) -> Option<u32> {
        self.picture.sources.get(layer).copied().flatten()
    }

    /// Whether a policy bounds the layer, and not its window or nothing at all.
    pub fn grows(&self, layer: usize) -> bool {
        self.window(layer).is_none() && self.state(layer).is_none() && self.source(layer).is_none()
    }

    /// Layers that grow with the text, and that a policy bounds.
    pub fn growing_layers(&self) -> usize {
        let layers = self.layers();
        (0..layers).filter(|&l| self.grows(l)).count()
    }

    /// Heads of the layers that grow, as far as their entries are known: layer, head, entries.
    pub fn growing(&self) -> impl Iterator<Item = (usize, usize, u32)> {
        let known = self.picture.lens.iter().take(self.layers_known());
        let growing = known.enumerate().filter(|(l, _)| self.grows(*l));
        growing.flat_map(|(l, heads)| heads.iter().enumerate().map(move |(h, &n)| (l, h, n)))
    }

    /// Entries of a head; `None` where the layer is not there yet.
    pub fn kept(&self, layer: usize, head: usize) -> Option<u32> {
        (layer < self.layers_known())
            .then(|| self.picture.lens.get(layer)?.get(head).copied())
            .flatten()
    }

    /// What every head would hold if the entries kept were spread evenly, over the layers that grow.
    pub fn uniform(&self) -> Option<f64> {
        let (mut sum, mut heads) = (0u64, 0u64);
        for (_, _, n) in self.growing() {
            sum += u64::from(n);
            heads += 1;
        }
        (sum > 0).then(|| sum as f64 / heads as f64)
    }

    /// Retained mass of a head and under uniform budgets, from the newest round that evicted it.
    pub fn mass(&self, layer: usize, head: usize) -> Option<(f32, f32)> {
        let layers = self.rounds.iter().rev().take(64);
        layers
            .flat_map(|r| &r.round.layers)
            .find(|l| l.layer == layer)
            .and_then(|l| Some((*l.retained.get(head)?, *l.uniform_retained.get(head)?)))
            .filter(|(a, b)| a.is_finite() && b.is_finite())
    }

    /// Share of a full cache that is not needed, 0–1; `None` while a prefill fills the cache.
    pub fn saved(&self) -> Option<f64> {
        let p = &self.picture;
        (p.filled_layers.is_none() && p.full_bytes > 0)
            .then(|| (1.0 - p.used_bytes as f64 / p.full_bytes as f64).clamp(0.0, 1.0))
    }

    /// A policy that evicts nothing is in force.
    pub fn never_evicts(&self) -> bool {
        self.policy.in_force == InForce::Unbounded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(o: &mut Observed, event: Event) {
        o.event(&event, 1.0, "12:00:00");
    }

    #[test]
    fn the_archive_is_known_as_it_was_told_last() {
        let mut o = Observed::default();
        assert!(!o.archives() && o.archived() == 0);
        let told = Archived {
            mode: Mode::Memory,
            tokens: 300,
            bytes: 7,
            path: None,
        };
        let archive = || Event::Archive(Box::new(told.clone()));
        tell(&mut o, archive());
        assert_eq!((o.archives(), o.archived()), (true, 300));
        // What a running turn reads is not lost either.
        let (turn, prompt_tokens, position) = (1, 20, 300);
        let started = Event::TurnStarted {
            turn,
            prompt_tokens,
            position,
        };
        tell(&mut o, started.clone());
        assert!(o.archived() > 1000);
        tell(&mut o, archive());
        assert_eq!(o.archived(), 300);
        tell(&mut o, started);
        let message = String::new();
        let turn = None;
        tell(&mut o, Event::Failed { turn, message });
        assert_eq!(o.archived(), 300);
        // Brought back, it is known to be archived from where a turn begins.
        o.restart();
        let started = Event::TurnStarted {
            turn: 3,
            prompt_tokens: 20,
            position: 280,
        };
        tell(&mut o, started);
        assert_eq!((o.archive.tokens, o.archive.bytes), (280, 0));
        o.restart();
        let left = (o.archive.mode, o.archived(), o.archive.bytes);
        assert_eq!(left, (Mode::Memory, 0, 0));
        tell(&mut o, archive());
        let (model, policy) = (Box::default(), PolicyInfo::default());
        tell(&mut o, Event::Ready { model, policy });
        assert!(!o.archives());
    }
}
