//! One conversation: its messages, its cache, its turns.

mod ahead;
mod shown;

use std::sync::Arc;
use std::time::Instant;

use ahead::Ahead;

use crate::engine::answer::{Drawn, answer};
use crate::engine::event::{
    CachePicture, Event, InForce, Message, Role, Sampling, Stop, Trigger, Turn, TurnStats,
};
use crate::engine::evict::Evictor;
use crate::engine::lane::Lane;
use crate::engine::picture;
use crate::engine::reading;
pub use crate::engine::turn_error::TurnError;
pub use crate::engine::watcher::Watcher;
use crate::model::template::{ChatTemplate, TemplateError};
use crate::model::tokenizer::Tokenizer;
use crate::model::{ModelError, Network};
use crate::policy::{Budget, Params, Preset};

/// A loaded model with its words.
pub struct Model {
    pub network: Arc<dyn Network>,
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

/// The conversation so far.
pub struct Session {
    model: Model,
    eviction: Eviction,
    messages: Vec<Message>,
    pub(super) lane: Lane,
    drawn: Drawn,
    /// The last turn's messages up to the answer, as the template writes them.
    prompt: Vec<u32>,
    turn: Turn,
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
        let lane = Lane::new(&model.network, Evictor::none(eviction.params))?;
        model.template.begin();
        let system = system.map(|content| Message {
            role: Role::System,
            content,
        });
        Ok(Session {
            model,
            eviction,
            messages: system.into_iter().collect(),
            lane,
            drawn: Drawn::default(),
            prompt: Vec::new(),
            turn: 0,
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
        self.lane.layers().holders()
    }

    /// Tokens the conversation has had, kept or evicted.
    pub fn position(&self) -> usize {
        self.lane.position()
    }

    /// The cache as it is, with who holds what: some milliseconds for a long full cache.
    pub fn picture_with_holders(&self) -> CachePicture {
        CachePicture {
            holders: self.holders(),
            ..self.picture()
        }
    }

    /// Begins anew, or from `messages`, which are prefilled with the next question. Where they are
    /// the beginning of what was said here, or go on from it, they keep their system prompt.
    pub fn restart(
        &mut self,
        system: Option<String>,
        messages: Option<Vec<Message>>,
    ) -> Result<(), ModelError> {
        self.lane = Lane::new(&self.model.network, Evictor::none(self.eviction.params))?;
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
        self.model.template.begin();
        self.drawn = Drawn::default();
        self.prompt.clear();
        self.turn = 0;
        self.in_force = None;
        Ok(())
    }

    /// Another policy or budget, from the next turn on.
    pub fn set_eviction(&mut self, eviction: Eviction) {
        self.lane.set_evictor(Evictor::none(eviction.params));
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
        let bytes = d.token_bytes(network.kv_dtype().1);
        let entries = budget.entries_per_head(position, bytes);
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
        let ahead = self.ahead(&messages)?;
        let answer = Message {
            role: Role::Assistant,
            content: String::new(),
        };
        messages.push(answer);
        self.turn_of(self.turn + 1, ahead, messages, sampling, watcher)
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
        if self.drawn.ended == Some(Stop::Eos) {
            return Err(TurnError::Complete);
        }
        let turn = self.turn.max(1);
        if self.drawn.pending.is_none() || self.turn == 0 {
            let (last, before) = answer;
            let Model {
                tokenizer,
                template,
                ..
            } = &self.model;
            // The template's own beginning of an answer, and behind it what there is of this one:
            // the message stays open.
            let prompt = template.encode_chat(tokenizer, before, true)?;
            let said = tokenizer.encode_on(&last.content);
            let mut tokens = prompt.clone();
            tokens.extend(said.map_err(TemplateError::from)?);
            let ahead = Ahead {
                fresh: true,
                tokens,
                prompt,
            };
            let messages = self.messages.clone();
            return self.turn_of(turn, ahead, messages, sampling, watcher);
        }
        let position = self.lane.position();
        if position >= context {
            return Err(TurnError::Filled { context });
        }
        let evictor = match self.in_force {
            Some(evictor) => evictor,
            None => self.evictor(position)?,
        };
        self.in_force = Some(evictor);
        self.lane.set_evictor(evictor);
        watcher.event(Event::TurnStarted {
            turn,
            prompt_tokens: 0,
            position,
        });
        watcher.event(Event::InForce(in_force(&evictor)));
        self.answer(None, TurnStats::new(turn, 0, 0.0), sampling, watcher)
    }

    /// Reads what is `ahead` and answers into the last of `messages`, which replace the session's
    /// own once everything is read.
    fn turn_of(
        &mut self,
        turn: Turn,
        ahead: Ahead,
        messages: Vec<Message>,
        sampling: &Sampling,
        watcher: &mut dyn Watcher,
    ) -> Result<TurnStats, TurnError> {
        let Ahead {
            fresh,
            tokens,
            prompt,
        } = ahead;
        let start = if fresh { 0 } else { self.lane.position() };
        let needed = start + tokens.len();
        self.fits(needed, start)?;
        let evictor = self.evictor(needed)?;
        let mut anew = match fresh {
            true => Some(Lane::new(&self.model.network, evictor)?),
            false => None,
        };
        watcher.event(Event::TurnStarted {
            turn,
            prompt_tokens: tokens.len(),
            position: start,
        });
        watcher.event(Event::InForce(in_force(&evictor)));
        let lane = match &mut anew {
            Some(lane) => lane,
            None => {
                self.lane.set_evictor(evictor);
                &mut self.lane
            }
        };
        let reading = reading::read(lane, &tokens, turn, watcher)?;
        let stats = TurnStats::new(turn, tokens.len(), reading.seconds);
        let Some(through) = reading.through else {
            // Over the pictures of the prefill that was given up.
            watcher.picture(self.picture_with_holders());
            return Ok(stats);
        };
        if let Some(mut lane) = anew {
            lane.remember(self.lane.peak());
            self.lane = lane;
        }
        self.turn = turn;
        self.in_force = Some(evictor);
        self.messages = messages;
        self.prompt = prompt;
        self.drawn.paused = None;
        // A drawn token that was pending stands at the head of the new ones.
        if self.drawn.pending.take().is_some() {
            self.drawn.tokens.pop();
        }
        match fresh {
            true => self.drawn.tokens = tokens,
            false => self.drawn.tokens.extend(tokens),
        }
        if !through.evicted.layers.is_empty() {
            let layers = self.lane.layers();
            let round = picture::round(layers, Trigger::Prefill, turn, through.evicted);
            watcher.event(Event::Eviction(Box::new(round)));
        }
        watcher.event(Event::Tokens(self.token_texts()));
        watcher.picture(self.picture_with_holders());
        self.answer(Some(through.logits), stats, sampling, watcher)
    }

    /// Decodes onto the last message.
    fn answer(
        &mut self,
        logits: Option<Vec<f32>>,
        mut stats: TurnStats,
        sampling: &Sampling,
        watcher: &mut dyn Watcher,
    ) -> Result<TurnStats, TurnError> {
        let begun = Instant::now();
        let (more, outcome) = answer(
            &mut self.lane,
            &self.model.tokenizer,
            logits,
            &mut self.drawn,
            sampling,
            &mut stats,
            watcher,
        );
        stats.decode_seconds = begun.elapsed().as_secs_f64();
        if let Some(last) = self.messages.last_mut() {
            last.content.push_str(&more);
        }
        watcher.picture(self.picture_with_holders());
        outcome?;
        Ok(stats)
    }
}

fn in_force(evictor: &Evictor) -> InForce {
    match evictor.bound_per_head() {
        Some(entries) => InForce::Entries(entries),
        None => InForce::Unbounded,
    }
}
