//! One policy's run: its own answer and, from where that differs, the full cache's.

use std::time::Instant;

use crate::engine::comparison::{CompareEvent, PolicyRun};
use crate::engine::event::{CachePicture, Event, Stop, Turn};
use crate::engine::lane::{Begin, Decoded, Lane, Voice};
use crate::engine::logits::{Measured, argmax};
use crate::engine::picture;
use crate::engine::reading::{self, Text};
use crate::engine::watcher::Watcher;
use crate::model::begun;
use crate::model::detokenize::Detokenizer;
use crate::model::error::Result;
use crate::model::logits::Logits;
use crate::model::tokenizer::Tokenizer;

/// The full cache's answer, which the others are held against.
pub struct Teacher {
    pub tokens: Vec<u32>,
    /// Logits of every step, also those that ended the answer.
    pub rows: Vec<Vec<f32>>,
}

/// Passes on what concerns a run.
pub struct Relay<'a> {
    pub watcher: &'a mut dyn Watcher,
    pub run: usize,
}

impl Watcher for Relay<'_> {
    fn stopped(&self) -> bool {
        self.watcher.stopped()
    }

    fn event(&mut self, event: Event) {
        if let Event::Prefill { done, total, .. } = event {
            let share = done as f64 / total.max(1) as f64;
            let run = self.run;
            self.watcher
                .event(Event::Compare(CompareEvent::Prefill { run, share }));
        }
    }

    /// A run's cache is not the conversation's: it would enter its graphs.
    fn picture(&mut self, _: CachePicture) {}
}

impl Relay<'_> {
    pub fn tell(&mut self, event: CompareEvent) {
        self.watcher.event(Event::Compare(event));
    }
}

/// What every run is told.
pub struct Runner<'a> {
    pub tokenizer: &'a Tokenizer,
    /// The conversation's turn that this would be.
    pub turn: Turn,
    pub max_tokens: usize,
}

fn per_second(n: usize, seconds: f64) -> f64 {
    match seconds > 0.0 {
        true => n as f64 / seconds,
        false => 0.0,
    }
}

impl Runner<'_> {
    /// `None` when it was stopped while it read; else the run, what it can teach the others, and
    /// whether it came to its end.
    pub fn run(
        &self,
        lane: &mut Lane,
        tokens: &[u32],
        teacher: Option<&Teacher>,
        relay: &mut Relay,
    ) -> Result<Option<(PolicyRun, Teacher, bool)>> {
        let text = match lane.archive() {
            Some(_) => {
                let from = lane.recallable(tokens);
                Text::Whole { tokens, from }
            }
            None => Text::Behind(tokens),
        };
        let reading = reading::read(lane, text, self.turn, relay)?;
        let Some(through) = reading.through else {
            return Ok(None);
        };
        let evictor = *lane.evictor();
        let retained_mass = match through.evicted.layers.is_empty() {
            true => 1.0,
            false => {
                let trigger = crate::engine::event::Trigger::Prefill;
                let layers = lane.layers();
                picture::round(layers, trigger, self.turn, through.evicted).retained_mass
            }
        };
        let run = PolicyRun {
            policy: evictor.preset.name().into(),
            budget: evictor.bound_per_head(),
            kv_used_bytes: lane.layers().used_bytes() as u64,
            kv_full_bytes: picture::full_bytes(lane.layers()),
            prefill_seconds: reading.seconds,
            prefill_tokens_per_second: per_second(text.len(), reading.seconds),
            decode_tokens_per_second: 0.0,
            generated_tokens: 0,
            stop: Stop::Interrupted,
            retained_mass,
            kl: Vec::new(),
            kl_mean: None,
            top1_agree: None,
            first_divergence: None,
            same_bytes: 0,
            // Of a thought that the template opens, the mark belongs to the answer.
            answer: begun::opened(self.tokenizer, tokens).unwrap_or_default(),
        };
        if !run.answer.is_empty() {
            let (run, piece) = (relay.run, run.answer.clone());
            relay.tell(CompareEvent::Text { run, piece });
        }
        let mut student = Student {
            runner: self,
            run,
            own: Teacher {
                tokens: Vec::new(),
                rows: Vec::new(),
            },
            teacher,
            measured: Measured::default(),
            fork: None,
            text: Detokenizer::new(self.tokenizer),
            fed: None,
            feeds: 0,
            seconds: 0.0,
            relay,
        };
        lane.decode(Begin::Logits(through.logits.into()), &mut student)?;
        let Student {
            mut run,
            own,
            mut measured,
            fork,
            mut text,
            feeds,
            seconds,
            relay,
            ..
        } = student;
        if let Some(piece) = text.finish() {
            run.answer.push_str(&piece);
            let run = relay.run;
            relay.tell(CompareEvent::Text { run, piece });
        }
        if run.first_divergence.is_none() {
            run.same_bytes = run.answer.len();
        }
        run.decode_tokens_per_second = per_second(feeds, seconds);
        let mut whole = run.stop != Stop::Interrupted;
        if whole && let Some(teacher) = teacher {
            if let (Some(mut lane), Some(from)) = (fork, run.first_divergence) {
                whole = follow(&mut lane, teacher, from, &mut measured, relay)?;
            }
            let steps = measured.kl.len();
            if whole && steps > 0 {
                run.kl_mean = Some(measured.kl.iter().sum::<f64>() / steps as f64);
                run.top1_agree = Some(measured.agree as f64 / steps as f64);
                run.kl = measured.kl;
            }
        }
        Ok(Some((run, own, whole)))
    }
}

/// A run that answers by itself, and is held against the full cache's answer as long as it says the
/// same.
struct Student<'a, 'b, 'c> {
    runner: &'a Runner<'a>,
    run: PolicyRun,
    own: Teacher,
    teacher: Option<&'a Teacher>,
    measured: Measured,
    /// The lane at the first token that differs: from there the full cache's answer is fed.
    fork: Option<Lane>,
    text: Detokenizer<'a>,
    /// When the last token was given to be fed.
    fed: Option<Instant>,
    feeds: usize,
    seconds: f64,
    relay: &'b mut Relay<'c>,
}

impl Voice for Student<'_, '_, '_> {
    fn stopped(&self) -> bool {
        self.relay.stopped()
    }

    fn next(&mut self, lane: &Lane, logits: Logits) -> Result<Option<u32>> {
        let logits = logits.whole()?;
        if let Some(fed) = self.fed.take() {
            self.feeds += 1;
            self.seconds += fed.elapsed().as_secs_f64();
        }
        let index = self.relay.run;
        let token = argmax(&logits);
        let ends = self.runner.tokenizer.eos_ids().contains(&token);
        let step = self.own.tokens.len();
        if let Some(teacher) = self.teacher
            && self.run.first_divergence.is_none()
        {
            if let Some(row) = teacher.rows.get(step).filter(|_| step > 0) {
                self.measured.step(row, &logits);
            }
            let theirs = teacher.tokens.get(step).copied();
            if theirs != (!ends).then_some(token) {
                self.run.first_divergence = Some(step);
                self.run.same_bytes = self.run.answer.len();
                self.fork = theirs.map(|_| lane.fork(*lane.evictor()));
                self.relay.tell(CompareEvent::Diverged { run: index });
            }
        }
        if self.teacher.is_none() {
            self.own.rows.push(logits);
        }
        if ends {
            self.run.stop = Stop::Eos;
            return Ok(None);
        }
        self.own.tokens.push(token);
        self.run.generated_tokens += 1;
        if let Some(piece) = self.text.push(token) {
            self.run.answer.push_str(&piece);
            self.relay.tell(CompareEvent::Text { run: index, piece });
        }
        let generated = self.run.generated_tokens;
        self.relay.tell(CompareEvent::Decoded {
            run: index,
            generated,
        });
        let context = lane.layers().description().context;
        if generated >= self.runner.max_tokens || lane.position() >= context {
            self.run.stop = Stop::Length;
            return Ok(None);
        }
        self.fed = Some(Instant::now());
        Ok(Some(token))
    }
}

/// Feeds the full cache's answer from step `from` on; false when it was stopped.
fn follow(
    lane: &mut Lane,
    teacher: &Teacher,
    from: usize,
    measured: &mut Measured,
    relay: &mut Relay,
) -> Result<bool> {
    let mut follower = Follower {
        teacher,
        step: from,
        measured,
        relay,
    };
    match follower.token() {
        Some(token) => Ok(lane.decode(Begin::Token(token), &mut follower)? == Decoded::Whole),
        None => Ok(true),
    }
}

/// Says what the full cache's answer says.
struct Follower<'a, 'b, 'c> {
    teacher: &'a Teacher,
    /// The token that is fed now.
    step: usize,
    measured: &'b mut Measured,
    relay: &'b mut Relay<'c>,
}

impl Follower<'_, '_, '_> {
    /// The token of this step, where the logits behind it are known.
    fn token(&self) -> Option<u32> {
        let behind = self.teacher.rows.get(self.step + 1);
        let token = self.teacher.tokens.get(self.step).copied();
        token.filter(|_| behind.is_some())
    }
}

impl Voice for Follower<'_, '_, '_> {
    fn stopped(&self) -> bool {
        self.relay.stopped()
    }

    fn next(&mut self, _: &Lane, logits: Logits) -> Result<Option<u32>> {
        let logits = logits.whole()?;
        self.step += 1;
        let rows = &self.teacher.rows;
        if let Some(row) = rows.get(self.step) {
            self.measured.step(row, &logits);
        }
        let (run, share) = (self.relay.run, self.step as f64 / rows.len() as f64);
        self.relay.tell(CompareEvent::Measuring { run, share });
        Ok(self.token())
    }
}
