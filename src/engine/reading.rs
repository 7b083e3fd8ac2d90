//! Reading a prompt, told to a watcher.

use std::time::Instant;

use super::event::{Event, Turn};
use super::evict::Evictor;
use super::lane::{Lane, Peak, Read, Reader};
use super::picture::picture_of;
use super::watcher::Watcher;
use crate::model::{Layers, error::Result};

/// A prompt that was read.
pub(super) struct Reading {
    pub seconds: f64,
    /// `None` when it was stopped on its way; the lane is as it was then.
    pub through: Option<Read>,
}

/// What a lane reads.
#[derive(Clone, Copy)]
pub(super) enum Text<'a> {
    /// Tokens behind what it has read.
    Behind(&'a [u32]),
    /// All tokens of the conversation, from the first on; the first `from` come from the archive.
    Whole { tokens: &'a [u32], from: usize },
}

impl Text<'_> {
    /// Tokens that are read.
    pub fn len(&self) -> usize {
        match self {
            Text::Behind(tokens) => tokens.len(),
            Text::Whole { tokens, from } => tokens.len() - from,
        }
    }
}

/// Reads into `lane`.
pub(super) fn read(
    lane: &mut Lane,
    text: Text,
    turn: Turn,
    watcher: &mut dyn Watcher,
) -> Result<Reading> {
    let begun = Instant::now();
    let mut teller = Teller {
        turn,
        tokens: text.len(),
        begun,
        evictor: *lane.evictor(),
        filled: 0,
        watcher,
    };
    let through = match text {
        Text::Behind(tokens) => lane.read(tokens, &mut teller)?,
        Text::Whole { tokens, from } => lane.recall(tokens, from, &mut teller)?,
    };
    Ok(Reading {
        seconds: begun.elapsed().as_secs_f64(),
        through,
    })
}

/// Tells the watcher how far it is, and what the cache is like after each layer.
struct Teller<'a> {
    turn: Turn,
    tokens: usize,
    begun: Instant,
    evictor: Evictor,
    /// Layers that are through.
    filled: usize,
    watcher: &'a mut dyn Watcher,
}

impl Reader for Teller<'_> {
    fn stopped(&self) -> bool {
        self.watcher.stopped()
    }

    fn progress(&mut self, done: usize, total: usize) {
        self.watcher.event(Event::Prefill {
            turn: self.turn,
            done,
            total,
            tokens: self.tokens,
            seconds: self.begun.elapsed().as_secs_f64(),
        });
    }

    fn layer_done(&mut self, layer: usize, layers: &dyn Layers, peak: Peak) -> Result<()> {
        let mut picture = picture_of(layers, self.evictor.total(layers), peak);
        // Layers that others see are done behind them.
        self.filled = self.filled.max(layer + 1);
        picture.filled_layers = Some(self.filled);
        self.watcher.picture(picture);
        Ok(())
    }
}
