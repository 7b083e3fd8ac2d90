//! Answering: draws tokens onto a lane and tells a watcher.

use std::time::{Duration, Instant};

use super::drafting::{Drafter, Step};
use super::event::{CachePicture, Event, Sampling, Stop, Trigger, TurnStats};
use super::lane::{Begin, Decoded, Evicted, Lane, Voice};
use super::picture::{picture, picture_with_holders, round};
use super::sampler::Sampler;
use super::thoughts::Thoughts;
use super::watcher::Watcher;
use crate::model::detokenize::{Detokenizer, Utf8Stream};
use crate::model::error::{ModelError, Result};
use crate::model::logits::Logits;
use crate::model::tokenizer::Tokenizer;

/// How often a running answer shows its cache.
const PICTURE_EVERY: Duration = Duration::from_millis(50);

/// Shows the cache now and then.
pub(super) struct Glimpses(Instant);

impl Glimpses {
    pub fn new() -> Self {
        Glimpses(Instant::now())
    }

    /// The cache, where it is time to show it again.
    pub fn next(&mut self, lane: &Lane) -> Option<CachePicture> {
        (self.0.elapsed() >= PICTURE_EVERY).then(|| {
            self.0 = Instant::now();
            picture(lane)
        })
    }
}

/// What an answer that was cut off goes on with.
pub(super) struct Paused {
    /// How its tokens were drawn, and where the random numbers are.
    sampling: Sampling,
    sampler: Sampler,
    /// The beginning of a character whose rest did not come.
    held: Utf8Stream,
}

impl Paused {
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

/// Where an answer's tokens go.
#[derive(Default)]
pub(super) struct Drawn {
    /// Tokens in the cache or pending, for the repeat penalty.
    pub tokens: Vec<u32>,
    /// Drawn but not yet in the cache.
    pub pending: Option<u32>,
    /// How the last answer ended, where it was given here.
    pub ended: Option<Stop>,
    /// What the template began the last answer with, until its first token comes.
    pub opened: Option<String>,
    /// Of the last answer.
    pub thoughts: Thoughts,
    /// There while the last answer can go on from the cache as it is.
    pub paused: Option<Paused>,
    /// Of all answers.
    pub drafter: Drafter,
}

impl Drawn {
    /// Begins anew; what drafting has learnt stays.
    pub fn clear(&mut self) {
        let drafter = std::mem::take(&mut self.drafter);
        *self = Drawn {
            drafter,
            ..Drawn::default()
        };
    }
}

/// Answers from the logits of the next token or, without any, from the pending token. The answer so
/// far is returned even when it fails.
pub(super) fn answer(
    lane: &mut Lane,
    tokenizer: &Tokenizer,
    logits: Option<Vec<f32>>,
    drawn: &mut Drawn,
    sampling: &Sampling,
    stats: &mut TurnStats,
    watcher: &mut dyn Watcher,
) -> (String, std::result::Result<(), ModelError>) {
    let (sampler, held) = match drawn.paused.take() {
        Some(paused) if logits.is_none() => paused.resume(sampling),
        _ => (None, Utf8Stream::default()),
    };
    let from = match (logits, drawn.pending) {
        (Some(logits), _) => Some(Begin::Logits(logits.into())),
        (None, pending) => pending.map(Begin::Token),
    };
    let mut speaker = Speaker {
        tokenizer,
        sampling,
        sampler: sampler.unwrap_or_else(|| Sampler::new(sampling)),
        text: Detokenizer::resume(tokenizer, held),
        said: String::new(),
        drawn,
        stats,
        begun: Instant::now(),
        glimpses: Glimpses::new(),
        watcher,
    };
    let outcome = match from {
        Some(from) => lane.decode(from, &mut speaker),
        None => Ok(Decoded::Whole),
    };
    let Speaker {
        sampler,
        text,
        mut said,
        drawn,
        stats,
        watcher,
        ..
    } = speaker;
    let cut = outcome.is_ok() && stats.stop != Stop::Eos;
    let mut held = text.into_held();
    if !cut {
        let piece = held.finish();
        if !piece.is_empty() {
            said.push_str(&piece);
            let turn = stats.turn;
            watcher.event(Event::Text { turn, piece });
        }
    }
    drawn.ended = Some(stats.stop);
    drawn.paused = cut.then(|| Paused {
        sampling: sampling.clone(),
        sampler,
        held,
    });
    (said, outcome.map(|_| ()))
}

/// Draws the answer.
struct Speaker<'a> {
    tokenizer: &'a Tokenizer,
    sampling: &'a Sampling,
    sampler: Sampler,
    text: Detokenizer<'a>,
    said: String,
    drawn: &'a mut Drawn,
    stats: &'a mut TurnStats,
    begun: Instant,
    glimpses: Glimpses,
    watcher: &'a mut dyn Watcher,
}

impl Voice for Speaker<'_> {
    fn stopped(&self) -> bool {
        self.watcher.stopped()
    }

    fn next(&mut self, lane: &Lane, logits: Logits) -> Result<Option<u32>> {
        // What was pending is in the cache now.
        self.drawn.pending = None;
        let token = match self.drawn.thoughts.forced() {
            Some(token) => token,
            None => {
                let token = self.sampler.draw(logits, &self.drawn.tokens)?;
                if self.tokenizer.eos_ids().contains(&token) {
                    self.stats.stop = Stop::Eos;
                    return Ok(None);
                }
                token
            }
        };
        self.drawn.tokens.push(token);
        self.drawn.pending = Some(token);
        self.stats.generated_tokens += 1;
        let (turn, generated) = (self.stats.turn, self.stats.generated_tokens);
        let opened = self.drawn.opened.take();
        let text = self.text.push(token);
        if let Some(piece) = opened.into_iter().chain(text).reduce(|a, b| a + &b) {
            self.said.push_str(&piece);
            self.drawn.thoughts.take(&piece);
            self.watcher.event(Event::Text { turn, piece });
        }
        let thinking = self.drawn.thoughts.count(self.tokenizer, self.sampling);
        self.stats.thought_tokens += usize::from(thinking);
        self.watcher.event(Event::Decoded {
            turn,
            generated,
            seconds: self.begun.elapsed().as_secs_f64(),
            position: lane.position(),
        });
        let context = lane.layers().description().context;
        if generated >= self.sampling.max_tokens || lane.position() >= context {
            self.stats.stop = Stop::Length;
            return Ok(None);
        }
        Ok(Some(token))
    }

    fn draft(&mut self, lane: &Lane, token: u32) -> Vec<u32> {
        let context = lane.layers().description().context;
        let left = self.sampling.max_tokens;
        let left = left.saturating_sub(self.stats.generated_tokens);
        // Behind each but the last of them another one is drawn.
        let most = left.min(context.saturating_sub(lane.position()));
        let most = most.saturating_sub(1);
        self.drawn.drafter.draft(lane.tokens(), token, most)
    }

    fn stepped(&mut self, lane: &Lane, step: Step) {
        self.drawn.drafter.learn(step);
        self.stats.drafts.add(step);
        if step.drafted > 0 {
            let (turn, drafts) = (self.stats.turn, self.stats.drafts);
            self.watcher.event(Event::Drafted { turn, drafts });
        }
        if let Some(picture) = self.glimpses.next(lane) {
            self.watcher.picture(picture);
        }
    }

    fn evicted(&mut self, lane: &Lane, evicted: Evicted) {
        let round = round(lane.layers(), Trigger::Decode, self.stats.turn, evicted);
        self.watcher.event(Event::Eviction(Box::new(round)));
        self.watcher.picture(picture_with_holders(lane));
        self.glimpses = Glimpses::new();
    }
}
