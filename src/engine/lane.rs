//! A lane: a sequence in a network, the evictor that bounds its cache, and the most that it ever took.
//! Reading, the decode loop and the place where peaks are measured are here and nowhere else.

mod committing;
mod repeating;
mod step;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use committing::{Committing, PeakKeeper};
pub use committing::{Reader, Unread};

use super::drafting::Step;
use super::event::LayerEviction;
use super::evict::{Evicting, Evictor};
pub use super::peak::Peak;
use super::retained::Retained;
use super::room;
use crate::archive::Archive;
use crate::model::footprint::Way;
use crate::model::{Layers, Logits, Network, PrefillHooks, Sequence, error::Result};
use crate::policy::Round;

/// Layers that were evicted together.
#[derive(Clone, Debug, Default)]
pub struct Evicted {
    pub layers: Vec<LayerEviction>,
    /// Entries that came back from the archive, of the layers that grow.
    pub came_back: usize,
    pub milliseconds: f64,
}

/// What came of a read that went through.
#[derive(Debug)]
pub struct Read {
    /// Of the next token, `[vocabulary]`.
    pub logits: Vec<f32>,
    pub evicted: Evicted,
}

/// Says which tokens follow.
pub trait Voice {
    /// Looked at between layers.
    fn stopped(&self) -> bool {
        false
    }

    /// The token to feed next, given the logits behind all that was fed; `None` ends. Who drafts asks
    /// the lane for its position only: its layers may hold drafted tokens.
    fn next(&mut self, lane: &Lane, logits: Logits) -> Result<Option<u32>>;

    /// Tokens to feed with `token`, which stay as far as they are what [`Voice::next`] says.
    fn draft(&mut self, _lane: &Lane, _token: u32) -> Vec<u32> {
        Vec::new()
    }

    /// A step is through, and the lane holds what stays of it.
    fn stepped(&mut self, _lane: &Lane, _step: Step) {}

    /// Room was made for the next token.
    fn evicted(&mut self, _lane: &Lane, _evicted: Evicted) {}
}

/// Where decoding begins.
pub enum Begin {
    /// The logits of the next token.
    Logits(Logits),
    /// A token that was chosen already.
    Token(u32),
}

/// How decoding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The voice had said all.
    Whole,
    Stopped,
}

pub struct Lane {
    sequence: Box<dyn Sequence>,
    evictor: Evictor,
    peak: Peak,
    retained: Retained,
    /// `None` where what is free is not known.
    way: Option<Way>,
    /// Tokens of the running step that stay, and which the sequence does not count yet.
    fed: usize,
}

impl Lane {
    /// One without tokens.
    pub fn new(network: &Arc<dyn Network>, evictor: Evictor) -> Result<Lane> {
        Lane::archiving(network, evictor, None)
    }

    /// One without tokens that keeps everything in `archive`, if there is one.
    pub fn archiving(
        network: &Arc<dyn Network>,
        evictor: Evictor,
        archive: Option<Arc<Archive>>,
    ) -> Result<Lane> {
        let window = evictor.params.window;
        Ok(Lane {
            sequence: network.clone().sequence_in(archive, window)?,
            evictor,
            peak: Peak::default(),
            retained: Retained::default(),
            way: room::way(&**network),
            fed: 0,
        })
    }

    /// Another lane with the same past, whose peak is its own.
    pub fn fork(&self, evictor: Evictor) -> Lane {
        let mut fork = Lane {
            sequence: self.sequence.fork(),
            evictor: self.evictor,
            peak: Peak::default(),
            retained: self.retained.clone(),
            way: self.way,
            fed: 0,
        };
        fork.set_evictor(evictor);
        fork
    }

    pub fn layers(&self) -> &dyn Layers {
        &*self.sequence
    }

    pub fn evictor(&self) -> &Evictor {
        &self.evictor
    }

    /// Another policy or budget from the next read or token on.
    pub fn set_evictor(&mut self, evictor: Evictor) {
        self.sequence.resize_window(evictor.params.window);
        self.evictor = evictor;
    }

    /// How many tokens there were, kept or evicted.
    pub fn position(&self) -> usize {
        self.sequence.position() + self.fed
    }

    /// Most bytes so far, now included.
    pub fn peak(&self) -> Peak {
        let mut peak = self.peak;
        peak.hold(self.sequence.allocated_bytes());
        peak
    }

    /// Takes over the peak of a lane that this one stands in for.
    pub fn remember(&mut self, peak: Peak) {
        self.peak = self.peak.max(peak);
    }

    /// Reads `tokens` behind what was read before, and evicts each layer once it is through. All of
    /// it or nothing: `None` when it was stopped, and the lane is as it was.
    pub fn read(&mut self, tokens: &[u32], reader: &mut dyn Reader) -> Result<Option<Read>> {
        let anew = self.position() == 0;
        self.read_by(anew, tokens.len(), reader, |sequence, hooks| {
            sequence.prefill(tokens, hooks)
        })
    }

    /// How many of `tokens` need not be read by [`Lane::recall`]. The window's are always read: their
    /// queries judge.
    pub fn recallable(&mut self, tokens: &[u32]) -> usize {
        let judges = self.evictor.params.window.max(1);
        let most = tokens.len().saturating_sub(judges);
        self.sequence.archived(tokens, most)
    }

    /// Becomes the lane of `tokens`: reads those from `from` on, and selects the cache from everything,
    /// the archive's included. All of it or nothing, as [`Lane::read`].
    pub fn recall(
        &mut self,
        tokens: &[u32],
        from: usize,
        reader: &mut dyn Reader,
    ) -> Result<Option<Read>> {
        let fresh = tokens.len().saturating_sub(from);
        self.read_by(true, fresh, reader, |sequence, hooks| {
            sequence.recall(tokens, from, hooks)
        })
    }

    /// Puts what was decoded into the archive.
    pub fn archive_decoded(&mut self) -> Result<()> {
        self.sequence.archive_decoded()
    }

    /// From now on nothing is archived.
    pub fn leave_archive(&mut self) {
        self.sequence.leave_archive();
    }

    /// Where everything is kept.
    pub fn archive(&self) -> Option<&Arc<Archive>> {
        self.sequence.archive()
    }

    /// All tokens that went through, kept or evicted.
    pub fn tokens(&self) -> &[u32] {
        self.sequence.tokens()
    }

    /// `anew`: everything that was said is judged; `fresh` tokens go through the network.
    fn read_by(
        &mut self,
        anew: bool,
        fresh: usize,
        reader: &mut dyn Reader,
        read: impl FnOnce(&mut dyn Sequence, &mut dyn PrefillHooks) -> Result<Option<Vec<f32>>>,
    ) -> Result<Option<Read>> {
        room::for_text(self.sequence.description(), self.way, &self.evictor, fresh)?;
        let mut reading = Committing {
            evictor: &self.evictor,
            evicting: None,
            milliseconds: 0.0,
            peak: Peak::default(),
            came_back: 0,
            reader,
        };
        let logits = read(&mut *self.sequence, &mut reading)?;
        let mut evicted = Evicted {
            layers: reading.evicting.map_or(Vec::new(), Evicting::into_report),
            came_back: reading.came_back,
            milliseconds: reading.milliseconds,
        };
        let peak = reading.peak;
        Ok(logits.map(|logits| {
            self.peak = self.peak.max(peak);
            if anew {
                self.retained.renew();
            }
            self.retained.of_all(&mut evicted.layers);
            Read { logits, evicted }
        }))
    }

    /// THE decode loop: evicts what is due, feeds a token with its draft, asks for the next.
    pub fn decode(&mut self, from: Begin, voice: &mut dyn Voice) -> Result<Decoded> {
        let mut next = from;
        loop {
            let token = match next {
                Begin::Token(token) => token,
                Begin::Logits(logits) => match voice.next(self, logits)? {
                    Some(token) => token,
                    None => return Ok(Decoded::Whole),
                },
            };
            if voice.stopped() {
                return Ok(Decoded::Stopped);
            }
            // Before the token is appended, so that the bound holds at every moment.
            let evicted = self.make_room()?;
            if !evicted.layers.is_empty() {
                voice.evicted(self, evicted);
            }
            match self.step(token, voice)? {
                ControlFlow::Continue(begin) => next = begin,
                ControlFlow::Break(decoded) => return Ok(decoded),
            }
        }
    }

    /// Evicts every layer that one more token would take over its bound.
    fn make_room(&mut self) -> Result<Evicted> {
        let due = self.evictor.due(&*self.sequence);
        if due.is_empty() {
            return Ok(Evicted::default());
        }
        self.evict(due, |round| round)
    }

    /// Evicts layers, as the policy's round says or one `by` it.
    fn evict(
        &mut self,
        due: Vec<usize>,
        by: impl FnOnce(Box<dyn Round>) -> Box<dyn Round>,
    ) -> Result<Evicted> {
        let layers: &mut dyn Layers = &mut *self.sequence;
        let begun = Instant::now();
        // Between rounds the cache only grows: here it is at its height.
        self.peak.hold(layers.allocated_bytes());
        let mut evicting = self.evictor.begin(layers).judged(by);
        let mut told = PeakKeeper {
            peak: &mut self.peak,
            held: 0,
            reader: &mut Unread,
        };
        for layer in due {
            evicting.layer(layer, layers, &mut told)?;
        }
        evicting.finish(layers, &mut told)?;
        let mut layers = evicting.into_report();
        self.retained.of_all(&mut layers);
        Ok(Evicted {
            layers,
            came_back: 0,
            milliseconds: begun.elapsed().as_secs_f64() * 1000.0,
        })
    }
}
