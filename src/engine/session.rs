//! One conversation: its messages, its cache, its turns.

use std::time::Instant;

use super::decode::Cut;
use super::event::{
    CachePicture, Event, InForce, Message, Role, Sampling, Stop, TooLong, Turn, TurnStats,
};
use super::evict::Evictor;
use super::picture::picture;
use super::prefill;
use crate::cache::KvCache;
use crate::model::template::{ChatTemplate, TemplateError};
use crate::model::tokenizer::Tokenizer;
use crate::model::{ModelError, Network};
use crate::policy::{Budget, Params, Preset};

/// A loaded model with its words.
pub struct Model {
    pub network: Box<dyn Network>,
    pub tokenizer: Tokenizer,
    pub template: ChatTemplate,
}

/// The policy as people state it; the budget is resolved at each turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eviction {
    pub preset: Preset,
    pub params: Params,
    pub budget: Budget,
}

/// Why a turn could not be had. The conversation is as it was before it.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(
        "the conversation would take {} tokens, {} more than the model's context of {}; shorten it \
         or use a model with a longer context (a larger budget does not help)",
        .0.needed, .0.over(), .0.context
    )]
    TooLong(TooLong),
    #[error(
        "the budget comes to {budget} entries per KV head, which the observation window of {window} \
         alone would fill; the smallest legal budget is {smallest}"
    )]
    Budget {
        budget: usize,
        window: usize,
        smallest: usize,
    },
    #[error("nothing was asked yet; write a question to compare its answers")]
    NoQuestion,
    #[error("there is no answer to go on with; ask something first")]
    NoAnswer,
    #[error("the last answer is complete: the model ended it itself")]
    Complete,
    #[error(
        "the conversation fills the model's context of {context} tokens, so that the answer cannot \
         go on; start a new one or use a model with a longer context"
    )]
    Filled { context: usize },
}

/// Where a turn's news goes, and whether it should end.
pub trait Watcher {
    fn stopped(&self) -> bool;
    fn event(&mut self, event: Event);
    fn picture(&mut self, picture: CachePicture);
}

/// The conversation so far.
pub struct Session {
    pub(super) model: Model,
    eviction: Eviction,
    messages: Vec<Message>,
    pub(super) cache: KvCache,
    /// Tokens in the cache or pending, for the repeat penalty.
    pub(super) tokens: Vec<u32>,
    /// Drawn but not yet in the cache.
    pub(super) pending: Option<u32>,
    /// How the last answer ended, where it was given here.
    pub(super) ended: Option<Stop>,
    /// There while the last answer can go on from the cache as it is.
    pub(super) cut: Option<Cut>,
    turn: Turn,
    pub(super) peak_bytes: u64,
    /// The budget as the last turn resolved it.
    in_force: Option<Evictor>,
}

impl Session {
    /// An empty conversation, with a system prompt if there is one.
    pub fn new(
        model: Model,
        eviction: Eviction,
        system: Option<String>,
    ) -> Result<Self, ModelError> {
        let cache = model.network.empty_cache(eviction.params.window)?;
        let system = system.map(|content| Message {
            role: Role::System,
            content,
        });
        Ok(Session {
            model,
            eviction,
            messages: system.into_iter().collect(),
            cache,
            tokens: Vec::new(),
            pending: None,
            ended: None,
            cut: None,
            turn: 0,
            peak_bytes: 0,
            in_force: None,
        })
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub fn eviction(&self) -> Eviction {
        self.eviction
    }

    /// Turns so far.
    pub fn turn(&self) -> Turn {
        self.turn
    }

    /// How many heads still hold each position.
    pub fn holders(&self) -> Vec<u16> {
        self.cache.holders()
    }

    /// The cache as it is, with who holds what: some milliseconds for a long full cache.
    pub fn picture_with_holders(&self) -> CachePicture {
        CachePicture {
            holders: self.holders(),
            ..self.picture()
        }
    }

    /// The text of every position, control tokens by name. A character that several tokens make
    /// up is shown as U+FFFD in each.
    pub fn token_texts(&self) -> Vec<String> {
        let tokenizer = &self.model.tokenizer;
        let text = |&id: &u32| match tokenizer.is_control(id) {
            true => tokenizer.token(id).unwrap_or_default().to_owned(),
            false => String::from_utf8_lossy(&tokenizer.token_bytes(id)).into_owned(),
        };
        self.tokens.iter().map(text).collect()
    }

    /// Begins anew, or from `messages`, which are prefilled with the next question. Where they are
    /// the beginning of what was said here, or go on from it, they keep their system prompt.
    pub fn restart(
        &mut self,
        system: Option<String>,
        messages: Option<Vec<Message>>,
    ) -> Result<(), ModelError> {
        self.cache = self
            .model
            .network
            .empty_cache(self.eviction.params.window)?;
        let of_system = |m: &&Message| m.role == Role::System;
        let own = self.messages.first().filter(of_system).cloned();
        let said = &self.messages[usize::from(own.is_some())..];
        let same = |m: &Vec<Message>| said.starts_with(m) || m.starts_with(said);
        let again = messages.as_ref().is_some_and(same) && !said.is_empty();
        let system = system.map(|content| Message {
            role: Role::System,
            content,
        });
        let system = if again { own } else { system };
        self.messages = system
            .into_iter()
            .chain(messages.into_iter().flatten())
            .collect();
        self.tokens.clear();
        self.pending = None;
        self.ended = None;
        self.cut = None;
        self.turn = 0;
        self.peak_bytes = 0;
        self.in_force = None;
        Ok(())
    }

    /// Another policy or budget, from the next turn on.
    pub fn set_eviction(&mut self, eviction: Eviction) {
        for state in &mut self.cache.layers {
            state.window.resize(eviction.params.window);
        }
        self.eviction = eviction;
        self.in_force = None;
    }

    /// The budget in force for a conversation of `position` tokens.
    pub fn evictor(&self, position: usize) -> Result<Evictor, TurnError> {
        self.evictor_of(self.eviction, position)
    }

    /// The same for any policy.
    pub(super) fn evictor_of(
        &self,
        eviction: Eviction,
        position: usize,
    ) -> Result<Evictor, TurnError> {
        let network = &self.model.network;
        let d = network.description();
        let Eviction {
            preset,
            params,
            budget,
        } = eviction;
        let entry = d.entry_bytes(network.kv_dtype().1);
        let entries = budget.entries_per_head(position, d.all_kv_heads(), entry);
        // A size bounds the whole cache, slack included.
        let budget = match budget {
            Budget::Bytes(_) => entries.saturating_sub(params.slack),
            _ => entries,
        };
        let evictor = Evictor {
            preset,
            params,
            budget,
        };
        if evictor.bounded() && budget <= params.window {
            return Err(TurnError::Budget {
                budget,
                window: params.window,
                smallest: crate::policy::budget::smallest(params.window),
            });
        }
        Ok(evictor)
    }

    /// What the budget came to in the last turn; before any, what can be said without a prompt.
    pub fn in_force(&self) -> InForce {
        // A share of nothing is no budget.
        let evictor = self.in_force.or_else(|| self.evictor(0).ok());
        evictor.as_ref().map_or(InForce::Pending, in_force)
    }

    /// The cache as it is, without [`CachePicture::holders`].
    pub fn picture(&self) -> CachePicture {
        let before_any_turn = || self.evictor(self.cache.position).ok();
        let evictor = self.in_force.or_else(before_any_turn);
        picture(
            &*self.model.network,
            &self.cache,
            evictor.as_ref(),
            self.peak_bytes,
        )
    }

    /// Answers `text`. When it fails or is stopped before its prefill is through, the conversation
    /// is as it was; when it is stopped later, the partial answer is kept.
    pub fn ask(
        &mut self,
        text: &str,
        sampling: &Sampling,
        watcher: &mut dyn Watcher,
    ) -> Result<TurnStats, TurnError> {
        let mut messages = self.messages.clone();
        messages.push(Message {
            role: Role::User,
            content: text.to_owned(),
        });
        let (fresh, tokens) = self.new_tokens(&messages)?;
        let answer = Message {
            role: Role::Assistant,
            content: String::new(),
        };
        messages.push(answer);
        self.turn_of(self.turn + 1, fresh, tokens, messages, sampling, watcher)
    }

    /// Goes on with the last answer where it was stopped or cut. What the cache holds is not read
    /// again; a conversation that was brought back is read up to the end of the partial answer.
    /// When it fails or is stopped before the first token, the answer is as it was.
    pub fn resume(
        &mut self,
        sampling: &Sampling,
        watcher: &mut dyn Watcher,
    ) -> Result<TurnStats, TurnError> {
        let answer = match self.messages.split_last() {
            Some((last, before)) if last.role == Role::Assistant => (last, before),
            _ => return Err(TurnError::NoAnswer),
        };
        let context = self.model.network.description().context;
        if self.ended == Some(Stop::Eos) {
            return Err(TurnError::Complete);
        }
        let turn = self.turn.max(1);
        if self.pending.is_none() || self.turn == 0 {
            let (last, before) = answer;
            let Model {
                tokenizer,
                template,
                ..
            } = &self.model;
            // The template's own beginning of an answer, and behind it what there is of this one:
            // the message stays open.
            let mut tokens = template.encode_chat(tokenizer, before, true)?;
            let said = tokenizer.encode_on(&last.content);
            tokens.extend(said.map_err(TemplateError::from)?);
            let messages = self.messages.clone();
            return self.turn_of(turn, true, tokens, messages, sampling, watcher);
        }
        let position = self.cache.position;
        if position >= context {
            return Err(TurnError::Filled { context });
        }
        let evictor = match self.in_force {
            Some(evictor) => evictor,
            None => self.evictor(position)?,
        };
        self.in_force = Some(evictor);
        watcher.event(Event::TurnStarted {
            turn,
            prompt_tokens: 0,
            position,
        });
        watcher.event(Event::InForce(in_force(&evictor)));
        self.answer(
            None,
            TurnStats::new(turn, 0, 0.0),
            &evictor,
            sampling,
            watcher,
        )
    }

    /// Reads `tokens` and answers into the last of `messages`, which replace the session's own
    /// once everything is read.
    fn turn_of(
        &mut self,
        turn: Turn,
        fresh: bool,
        tokens: Vec<u32>,
        messages: Vec<Message>,
        sampling: &Sampling,
        watcher: &mut dyn Watcher,
    ) -> Result<TurnStats, TurnError> {
        let start = if fresh { 0 } else { self.cache.position };
        let needed = start + tokens.len();
        self.fits(needed, start)?;
        let evictor = self.evictor(needed)?;
        let network = &*self.model.network;
        let cache = match fresh {
            true => network.empty_cache(evictor.params.window)?,
            false => self.cache.clone(),
        };
        watcher.event(Event::TurnStarted {
            turn,
            prompt_tokens: tokens.len(),
            position: start,
        });
        watcher.event(Event::InForce(in_force(&evictor)));
        let reading = prefill::read(network, cache, &tokens, &evictor, turn, watcher)?;
        let stats = TurnStats::new(turn, tokens.len(), reading.seconds);
        let Some(through) = reading.through else {
            // Over the pictures of the prefill that was given up.
            watcher.picture(self.picture_with_holders());
            return Ok(stats);
        };
        self.cache = through.cache;
        self.peak_bytes = self.peak_bytes.max(through.peak);
        self.turn = turn;
        self.in_force = Some(evictor);
        self.messages = messages;
        self.cut = None;
        // A drawn token that was pending stands at the head of the new ones.
        if self.pending.take().is_some() {
            self.tokens.pop();
        }
        match fresh {
            true => self.tokens = tokens,
            false => self.tokens.extend(tokens),
        }
        if let Some(round) = through.round {
            watcher.event(Event::Eviction(Box::new(round)));
        }
        watcher.event(Event::Tokens(self.token_texts()));
        watcher.picture(self.picture_with_holders());
        self.answer(Some(through.logits), stats, &evictor, sampling, watcher)
    }

    /// Decodes onto the last message.
    fn answer(
        &mut self,
        logits: Option<Vec<f32>>,
        mut stats: TurnStats,
        evictor: &Evictor,
        sampling: &Sampling,
        watcher: &mut dyn Watcher,
    ) -> Result<TurnStats, TurnError> {
        let begun = Instant::now();
        let (more, outcome) = self.decode(logits, sampling, evictor, &mut stats, watcher);
        stats.decode_seconds = begun.elapsed().as_secs_f64();
        if let Some(last) = self.messages.last_mut() {
            last.content.push_str(&more);
        }
        watcher.picture(self.picture_with_holders());
        outcome.map(|()| stats)
    }

    /// Tokens of what was said so far; `start` of them are in the cache.
    fn held(&self, start: usize) -> Result<usize, TurnError> {
        // Brought back and not read yet, or rewritten by the template.
        if start > 0 || self.messages.is_empty() {
            return Ok(start);
        }
        let Model {
            tokenizer,
            template,
            ..
        } = &self.model;
        Ok(template
            .encode_chat(tokenizer, &self.messages, false)?
            .len())
    }

    /// Whether so many tokens fit the model's context; `start` of them are in the cache.
    pub(super) fn fits(&self, needed: usize, start: usize) -> Result<(), TurnError> {
        let context = self.model.network.description().context;
        match needed > context {
            true => Err(TurnError::TooLong(TooLong {
                needed,
                context,
                held: self.held(start)?,
            })),
            false => Ok(()),
        }
    }

    /// What has to be prefilled for `messages`, and whether from scratch. On later turns it is
    /// what the template puts behind the last answer: the answer's own tokens are in the cache.
    pub(super) fn new_tokens(&self, messages: &[Message]) -> Result<(bool, Vec<u32>), TurnError> {
        let Model {
            tokenizer,
            template,
            ..
        } = &self.model;
        let all = template.encode_chat(tokenizer, messages, true)?;
        let Some((_, before)) = self.messages.split_last().filter(|_| self.turn > 0) else {
            return Ok((true, all));
        };
        let before = template.encode_chat(tokenizer, before, true)?;
        let behind = all.strip_prefix(&before[..]).unwrap_or_default();
        let end = behind
            .iter()
            .position(|id| tokenizer.eos_ids().contains(id));
        Ok(match end {
            Some(end) => {
                let pending = self.pending.into_iter();
                (
                    false,
                    pending.chain(behind[end..].iter().copied()).collect(),
                )
            }
            // The template rewrites what was said: nothing in the cache can be relied on.
            None => (true, all),
        })
    }
}

fn in_force(evictor: &Evictor) -> InForce {
    match evictor.bounded() {
        true => InForce::Entries(evictor.budget),
        false => InForce::Unbounded,
    }
}
