//! The same turn under several policies, from the same past: what each one keeps, how fast it is,
//! and how far its answer strays from the full cache's. The conversation itself is only read.

use std::time::Instant;

use serde::Serialize;

use super::decode::{PICTURE_EVERY, make_room};
use super::event::{CachePicture, Event, Message, Role, Stop};
use super::evict::Evictor;
use super::inspect::{argmax, kl};
use super::picture::{full_bytes, picture};
use super::prefill;
use super::session::{Eviction, Session, TurnError, Watcher};
use crate::cache::KvCache;
use crate::model::detokenize::Detokenizer;

/// Most tokens of each answer: the full cache's distributions are kept for all of them, one
/// number for each word of the vocabulary.
pub const MAX_TOKENS: usize = 256;

/// Where all runs start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Past {
    /// It is the first turn.
    Empty,
    /// The conversation's own cache, of which nothing was evicted.
    Shared,
    /// The whole conversation, read anew under each policy: the conversation's own cache was
    /// evicted already, or holds the turn itself.
    Reread,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    pub question: String,
    /// Each policy with its budget; `None` = no bound.
    pub policies: Vec<(String, Option<usize>)>,
    /// Tokens that every run reads, and tokens of the conversation with them.
    pub prompt_tokens: usize,
    pub position: usize,
    pub past: Past,
    pub max_tokens: usize,
}

/// One policy's run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    pub policy: String,
    /// Entries per KV head, window included; `None` = no bound.
    pub budget: Option<usize>,
    /// Bytes of keys and values once everything was read and evicted, and what a full cache uses.
    pub kv_used_bytes: u64,
    pub kv_full_bytes: u64,
    pub prefill_seconds: f64,
    pub prefill_tokens_per_second: f64,
    pub decode_tokens_per_second: f64,
    pub generated_tokens: usize,
    pub stop: Stop,
    /// Share of the window's attention that the kept entries hold, mean over heads; 1 where
    /// nothing was evicted.
    pub retained_mass: f64,
    /// KL(full ‖ this) in nats per step, both fed the full cache's answer; from the second token
    /// on, since the first comes from the prefill itself. Empty for the full cache and for a run
    /// that was stopped.
    pub kl: Vec<f64>,
    pub kl_mean: Option<f64>,
    /// Share of those steps at which the likeliest token is the same.
    pub top1_agree: Option<f64>,
    /// The first token that differs from the full cache's answer, from 0.
    pub first_divergence: Option<usize>,
    /// Bytes of `answer` before that token.
    pub same_bytes: usize,
    pub answer: String,
}

/// All runs; the full cache's is the first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    #[serde(flatten)]
    pub plan: Plan,
    pub runs: Vec<Run>,
    pub stopped: bool,
}

/// What a comparison says while it runs; `run` counts from 0.
#[derive(Clone, Debug, PartialEq)]
pub enum CompareEvent {
    Started(Box<Plan>),
    Prefill {
        run: usize,
        share: f64,
    },
    /// From the next piece on, the answer differs from the full cache's.
    Diverged {
        run: usize,
    },
    Text {
        run: usize,
        piece: String,
    },
    Decoded {
        run: usize,
        generated: usize,
    },
    /// Feeding the full cache's answer.
    Measuring {
        run: usize,
        share: f64,
    },
    Finished {
        run: usize,
        result: Box<Run>,
    },
    /// All of it is over.
    Ended {
        stopped: bool,
    },
    /// Nothing can be compared. Says what to do next.
    Failed(String),
}

/// The full cache's answer, which the others are held against.
struct Teacher {
    tokens: Vec<u32>,
    /// Logits of every step, also those that ended the answer.
    rows: Vec<Vec<f32>>,
}

/// Passes on what concerns a run.
struct Relay<'a> {
    watcher: &'a mut dyn Watcher,
    run: usize,
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

    fn picture(&mut self, picture: CachePicture) {
        self.watcher.picture(picture);
    }
}

impl Relay<'_> {
    fn tell(&mut self, event: CompareEvent) {
        self.watcher.event(Event::Compare(event));
    }
}

impl Session {
    /// Answers `question` (or the last one again) greedily under each of `evictions`, the full
    /// cache first. Whatever happens, the conversation is bit for bit as it was.
    ///
    /// # Errors
    /// When there is nothing to ask, it does not fit, a budget is impossible or the model fails.
    pub fn compare(
        &self,
        question: Option<&str>,
        evictions: &[Eviction],
        max_tokens: usize,
        watcher: &mut dyn Watcher,
    ) -> Result<Comparison, TurnError> {
        let compared = self.compare_runs(question, evictions, max_tokens, watcher);
        // Over the pictures of the runs.
        watcher.picture(self.picture_with_holders());
        if let Ok(comparison) = &compared {
            let stopped = comparison.stopped;
            watcher.event(Event::Compare(CompareEvent::Ended { stopped }));
        }
        compared
    }

    fn compare_runs(
        &self,
        question: Option<&str>,
        evictions: &[Eviction],
        max_tokens: usize,
        watcher: &mut dyn Watcher,
    ) -> Result<Comparison, TurnError> {
        let (question, past, tokens) = self.compared_turn(question)?;
        let network = &*self.model().network;
        let start = match past {
            Past::Shared => self.cache.position,
            _ => 0,
        };
        let position = start + tokens.len();
        self.fits(position, start)?;
        let evictors: Vec<Evictor> = evictions
            .iter()
            .map(|e| self.evictor_of(*e, position))
            .collect::<Result<_, _>>()?;
        let budget = |e: &Evictor| e.bounded().then_some(e.budget);
        let plan = Plan {
            question,
            policies: evictors
                .iter()
                .map(|e| (e.preset.name().to_owned(), budget(e)))
                .collect(),
            prompt_tokens: tokens.len(),
            position,
            past,
            max_tokens: max_tokens.clamp(1, MAX_TOKENS),
        };
        watcher.event(Event::Compare(CompareEvent::Started(Box::new(
            plan.clone(),
        ))));
        let mut comparison = Comparison {
            plan,
            runs: Vec::new(),
            stopped: false,
        };
        let mut teacher: Option<Teacher> = None;
        for (run, evictor) in evictors.iter().enumerate() {
            let cache = match past {
                Past::Shared => self.cache.clone(),
                _ => network.empty_cache(evictor.params.window)?,
            };
            let mut relay = Relay { watcher, run };
            let max_tokens = comparison.plan.max_tokens;
            let turn = Turn {
                session: self,
                evictor,
                max_tokens,
            };
            let found = turn.run(cache, &tokens, teacher.as_ref(), &mut relay)?;
            let Some((result, own, whole)) = found else {
                comparison.stopped = true;
                break;
            };
            relay.tell(CompareEvent::Finished {
                run,
                result: Box::new(result.clone()),
            });
            comparison.runs.push(result);
            if !whole {
                comparison.stopped = true;
                break;
            }
            teacher = teacher.or(Some(own));
        }
        Ok(comparison)
    }

    /// The question, where its runs start from, and the tokens that each one reads.
    fn compared_turn(&self, question: Option<&str>) -> Result<(String, Past, Vec<u32>), TurnError> {
        let mut messages = self.messages().to_vec();
        let question = match question {
            Some(question) => {
                let content = question.to_owned();
                let role = Role::User;
                messages.push(Message { role, content });
                let (fresh, tokens) = self.new_tokens(&messages)?;
                let all = self.cache.position * self.model().network.description().all_kv_heads();
                if !fresh && self.cache.entries() == all {
                    return Ok((question.to_owned(), Past::Shared, tokens));
                }
                question.to_owned()
            }
            None => {
                let of_user = |m: &Message| m.role == Role::User;
                let last = messages.iter().rposition(of_user);
                messages.truncate(last.ok_or(TurnError::NoQuestion)? + 1);
                messages.last().map_or(String::new(), |m| m.content.clone())
            }
        };
        let past = match messages.iter().any(|m| m.role == Role::Assistant) {
            true => Past::Reread,
            false => Past::Empty,
        };
        let model = self.model();
        let tokens = model
            .template
            .encode_chat(&model.tokenizer, &messages, true)?;
        Ok((question, past, tokens))
    }
}

/// One run on its way.
struct Turn<'a> {
    session: &'a Session,
    evictor: &'a Evictor,
    max_tokens: usize,
}

/// What a policy's steps are like, fed the full cache's answer.
#[derive(Default)]
struct Measured {
    kl: Vec<f64>,
    agree: usize,
}

impl Measured {
    fn step(&mut self, full: &[f32], own: &[f32]) {
        // Rounding may leave a hair below nothing.
        self.kl.push(kl(full, own).max(0.0));
        self.agree += usize::from(argmax(full) == argmax(own));
    }
}

impl Turn<'_> {
    /// `None` when it was stopped while it read; else the run, what it can teach the others, and
    /// whether it came to its end.
    fn run(
        &self,
        cache: KvCache,
        tokens: &[u32],
        teacher: Option<&Teacher>,
        relay: &mut Relay,
    ) -> Result<Option<(Run, Teacher, bool)>, TurnError> {
        let model = self.session.model();
        let network = &*model.network;
        let turn = self.session.turn() + 1;
        let reading = prefill::read(network, cache, tokens, self.evictor, turn, relay)?;
        let Some(through) = reading.through else {
            return Ok(None);
        };
        let per_second = |n: usize, seconds: f64| match seconds > 0.0 {
            true => n as f64 / seconds,
            false => 0.0,
        };
        let mut cache = through.cache;
        let mut run = Run {
            policy: self.evictor.preset.name().into(),
            budget: self.evictor.bounded().then_some(self.evictor.budget),
            kv_used_bytes: cache.used_bytes() as u64,
            kv_full_bytes: full_bytes(network, cache.position),
            prefill_seconds: reading.seconds,
            prefill_tokens_per_second: per_second(tokens.len(), reading.seconds),
            decode_tokens_per_second: 0.0,
            generated_tokens: 0,
            stop: Stop::Interrupted,
            retained_mass: through.round.map_or(1.0, |r| r.retained_mass),
            kl: Vec::new(),
            kl_mean: None,
            top1_agree: None,
            first_divergence: None,
            same_bytes: 0,
            answer: String::new(),
        };
        let mut own = Teacher {
            tokens: Vec::new(),
            rows: Vec::new(),
        };
        let mut measured = Measured::default();
        // The cache at the first token that differs: from there the full cache's answer is fed.
        let mut fork = None;
        let mut logits = through.logits;
        let (mut fed, mut seconds) = (0, 0.0);
        let mut text = Detokenizer::new(&model.tokenizer);
        let mut pictured = Instant::now();
        let index = relay.run;
        loop {
            let token = argmax(&logits);
            let ends = model.tokenizer.eos_ids().contains(&token);
            let step = own.tokens.len();
            if let Some(teacher) = teacher
                && run.first_divergence.is_none()
            {
                if let Some(row) = teacher.rows.get(step).filter(|_| step > 0) {
                    measured.step(row, &logits);
                }
                let theirs = teacher.tokens.get(step).copied();
                if theirs != (!ends).then_some(token) {
                    run.first_divergence = Some(step);
                    run.same_bytes = run.answer.len();
                    fork = theirs.map(|_| cache.clone());
                    relay.tell(CompareEvent::Diverged { run: index });
                }
            }
            if teacher.is_none() {
                own.rows.push(logits);
            }
            if ends {
                run.stop = Stop::Eos;
                break;
            }
            own.tokens.push(token);
            run.generated_tokens += 1;
            if let Some(piece) = text.push(token) {
                run.answer.push_str(&piece);
                relay.tell(CompareEvent::Text { run: index, piece });
            }
            relay.tell(CompareEvent::Decoded {
                run: index,
                generated: run.generated_tokens,
            });
            let context = network.description().context;
            if run.generated_tokens >= self.max_tokens || cache.position >= context {
                run.stop = Stop::Length;
                break;
            }
            let begun = Instant::now();
            let Some(next) = self.feed(&mut cache, token, relay)? else {
                break;
            };
            fed += 1;
            seconds += begun.elapsed().as_secs_f64();
            logits = next;
            if pictured.elapsed() >= PICTURE_EVERY {
                let peak = cache.allocated_bytes() as u64;
                relay.picture(picture(network, &cache, Some(self.evictor), peak));
                pictured = Instant::now();
            }
        }
        if let Some(piece) = text.finish() {
            run.answer.push_str(&piece);
            relay.tell(CompareEvent::Text { run: index, piece });
        }
        if run.first_divergence.is_none() {
            run.same_bytes = run.answer.len();
        }
        run.decode_tokens_per_second = per_second(fed, seconds);
        let mut whole = run.stop != Stop::Interrupted;
        if whole && let Some(teacher) = teacher {
            if let (Some(cache), Some(from)) = (fork, run.first_divergence) {
                whole = self.follow(cache, teacher, from, &mut measured, relay)?;
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

    /// Feeds the full cache's answer from step `from` on; false when it was stopped.
    fn follow(
        &self,
        mut cache: KvCache,
        teacher: &Teacher,
        from: usize,
        measured: &mut Measured,
        relay: &mut Relay,
    ) -> Result<bool, TurnError> {
        let all = teacher.rows.len();
        for step in from..teacher.tokens.len() {
            let Some(row) = teacher.rows.get(step + 1) else {
                break;
            };
            let Some(logits) = self.feed(&mut cache, teacher.tokens[step], relay)? else {
                return Ok(false);
            };
            measured.step(row, &logits);
            let share = (step + 1) as f64 / all as f64;
            let run = relay.run;
            relay.tell(CompareEvent::Measuring { run, share });
        }
        Ok(true)
    }

    /// Evicts as a turn does and decodes one token; `None` when it was stopped.
    fn feed(
        &self,
        cache: &mut KvCache,
        token: u32,
        relay: &Relay,
    ) -> Result<Option<Vec<f32>>, TurnError> {
        let network = &*self.session.model().network;
        make_room(network, cache, self.evictor)?;
        Ok(network.decode(cache, token, &|| relay.stopped())?)
    }
}
