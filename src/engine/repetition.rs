//! What a text is looked up for when it is said again: KVzip's score (arXiv 2505.23416).
//!
//! Part by part the text goes through the network a second time, behind all of it, as if the model had been
//! asked to repeat it. What that looks at is what the text is needed for, whatever will be asked. An entry is
//! worth the strongest attention that any of these tokens pays it in any query head of its group. As in the
//! published code attention is shared out among the entries of the part, the first few of the text and
//! the repeated tokens up to the one that looks; the first few are never evicted. Otherwise than there, a
//! template's head is said again with the text, and the last entries of the text stay as the window does
//! under every policy.

use std::ops::Range;
use std::sync::Arc;

use crate::model::{Layers, PrefillHooks, error::Result};
use crate::policy::score::recency::SINKS;
use crate::policy::{Choice, Needs, Observed, Round};

/// A part of a text that is said again.
#[derive(Clone, Debug)]
pub struct Again {
    /// Its positions.
    pub part: Range<usize>,
    /// What is read: what asks for it, and the part.
    pub tokens: Vec<u32>,
}

/// What a text's entries are worth by its repetition: of each layer that grows, each KV head, each position.
#[derive(Clone, Debug, PartialEq)]
pub struct Repetition(Vec<Vec<Vec<f32>>>);

impl Repetition {
    /// Of nothing that was said yet, for what `layers` hold.
    pub fn new(layers: &dyn Layers) -> Repetition {
        let mut first = vec![0.0; layers.position()];
        first.iter_mut().take(SINKS).for_each(|worth| *worth = 1.0);
        let growing = growing(layers).into_iter();
        let of = growing.map(|layer| vec![first.clone(); layers.lens(layer).len()]);
        Repetition(of.collect())
    }

    /// Of a layer's head, by position.
    pub fn of(&self, layer: usize, head: usize) -> &[f32] {
        let heads = self.0.get(layer);
        let worth = heads.and_then(|heads| heads.get(head));
        worth.map_or(&[][..], Vec::as_slice)
    }

    fn raise(&mut self, layer: usize, head: usize, position: u32, to: f32) {
        let heads = self.0.get_mut(layer);
        let worth = heads.and_then(|heads| heads.get_mut(head)?.get_mut(position as usize));
        if let Some(worth) = worth {
            *worth = worth.max(to);
        }
    }
}

/// The layers that a policy bounds.
fn growing(layers: &dyn Layers) -> Vec<usize> {
    let shapes = layers.description().layers.iter().enumerate();
    let growing = shapes.filter(|(_, shape)| shape.grows());
    growing.map(|(layer, _)| layer).collect()
}

/// Measures a part's repetition while that is read, behind a text of `from` tokens: layers are cut down to what
/// attention is shared out among, so the sequence is of no use afterwards.
pub struct Listening<'a> {
    pub again: &'a Again,
    pub from: usize,
    pub found: &'a mut Repetition,
    pub stopped: &'a dyn Fn() -> bool,
}

impl PrefillHooks for Listening<'_> {
    fn stopped(&self) -> bool {
        (self.stopped)()
    }

    fn layer_done(&mut self, layer: usize, layers: &mut dyn Layers) -> Result<()> {
        let growing = growing(layers);
        let Some(index) = growing.iter().position(|&l| l == layer) else {
            layers.forget_queries(layer);
            return Ok(());
        };
        let (part, from) = (&self.again.part, self.from);
        let shares = |p: usize| p < SINKS || part.contains(&p) || p >= from;
        let heads = 0..layers.lens(layer).len();
        let kept = heads.map(|head| {
            let positions = (0..).zip(layers.positions(layer, head));
            let shared = positions.filter(|(_, p)| shares(**p as usize));
            shared.map(|(i, _)| i).collect()
        });
        let kept: Vec<Vec<u32>> = kept.collect();
        layers.keep(layer, &kept)?;
        let mut looks = Looks::default();
        layers.select(layer, index, &mut looks)?;
        layers.forget_queries(layer);
        for (head, seen) in looks.0.iter().enumerate() {
            let entries = seen.positions.iter().zip(&seen.scores.peak);
            for (&position, &peak) in entries.filter(|(p, _)| part.contains(&(**p as usize))) {
                self.found.raise(index, head, position, peak);
            }
        }
        Ok(())
    }
}

/// Takes what is measured, and chooses nothing.
#[derive(Default)]
struct Looks(Vec<Observed>);

impl Round for Looks {
    fn needs(&self) -> Needs {
        Needs {
            peak: true,
            ..Needs::NONE
        }
    }

    fn observe(&mut self, _: usize, heads: Vec<Observed>) -> Vec<Choice> {
        self.0 = heads;
        Vec::new()
    }
}

/// A round that is shown the repetition in place of the window's attention, the mean as the strongest.
pub struct ByRepetition {
    pub round: Box<dyn Round>,
    pub repetition: Arc<Repetition>,
}

impl Round for ByRepetition {
    fn needs(&self) -> Needs {
        self.round.needs()
    }

    fn observe(&mut self, layer: usize, mut heads: Vec<Observed>) -> Vec<Choice> {
        for (h, head) in heads.iter_mut().enumerate() {
            let worth = self.repetition.of(layer, h);
            let of = |&position: &u32| worth.get(position as usize).copied().unwrap_or(0.0);
            head.scores.peak = head.positions.iter().map(of).collect();
            head.scores.mean = head.scores.peak.clone();
        }
        self.round.observe(layer, heads)
    }

    fn finish(&mut self) -> Vec<Choice> {
        self.round.finish()
    }
}
