//! One conversation: its messages, its cache, its turns.

mod ahead;
mod shown;
mod turn;

use std::sync::Arc;

use ahead::Ahead;
pub(in crate::engine) use ahead::How;
pub use ahead::behind_answer;

use crate::archive::Archive;
use crate::engine::answer::Drawn;
use crate::engine::drafting::{Draft, Drafter};
use crate::engine::event::{
    CachePicture, Event, InForce, Message, Role, Sampling, Stop, Trigger, Turn, TurnStats,
};
use crate::engine::evict::Evictor;
pub use crate::engine::eviction::Eviction;
use crate::engine::lane::Lane;
use crate::engine::sampling::FileSampling;
pub use crate::engine::turn_error::TurnError;
pub use crate::engine::watcher::Watcher;
use crate::model::begun;
use crate::model::template::{ChatTemplate, TemplateError};
use crate::model::tokenizer::Tokenizer;
use crate::model::{ModelError, Network};

/// A loaded model with its words.
pub struct Model {
    pub network: Arc<dyn Network>,
    pub tokenizer: Tokenizer,
    pub template: ChatTemplate,
    /// What its file says of sampling.
    pub sampling: FileSampling,
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
    archive: Option<Arc<Archive>>,
    /// What was told of the archive already.
    told: Vec<String>,
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
            archive: None,
            told: Vec::new(),
        })
    }

    /// From the next turn on everything is kept in `archive`, or nothing. What was said before an
    /// archive is read once more with the next question.
    ///
    /// # Errors
    /// When the model has no memory for another cache.
    pub fn set_archive(&mut self, archive: Option<Arc<Archive>>) -> Result<(), ModelError> {
        self.archive = archive;
        match &self.archive {
            None => self.lane.leave_archive(),
            Some(_) => {
                let peak = self.lane.peak();
                self.lane = self.new_lane(Evictor::none(self.eviction.params))?;
                self.lane.remember(peak);
                self.drawn.clear();
            }
        }
        Ok(())
    }

    /// How answers are drafted from the text from now on.
    pub fn set_draft(&mut self, draft: Draft) {
        self.drawn.drafter = Drafter::new(draft);
    }

    pub fn archive(&self) -> Option<&Arc<Archive>> {
        self.archive.as_ref()
    }

    /// A lane of this conversation without tokens.
    fn new_lane(&self, evictor: Evictor) -> Result<Lane, ModelError> {
        Lane::archiving(&self.model.network, evictor, self.archive.clone())
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

    /// Turns so far, those of a conversation that was brought back included.
    pub fn turn(&self) -> Turn {
        self.turn
    }

    /// How many heads of the layers that grow still hold each position.
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
        self.lane = self.new_lane(Evictor::none(self.eviction.params))?;
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
        if !again {
            self.model.template.begin();
        }
        self.drawn.clear();
        self.prompt.clear();
        let asked = self.messages.iter().filter(|m| m.role == Role::User);
        self.turn = asked.count() as Turn;
        self.in_force = None;
        Ok(())
    }

    /// A conversation that was brought back began at this moment (RFC 3339): a template that tells the
    /// date tells the same one again, so that nothing has to be read anew.
    pub fn began(&mut self, moment: &str) {
        if let Ok(moment) = chrono::DateTime::parse_from_rfc3339(moment) {
            self.model.template.began_at(moment.into());
        }
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
        eviction.resolved(self.model.network.as_ref(), position)
    }

    /// What the budget came to in the last turn; before any, what can be said without a prompt.
    pub fn in_force(&self) -> InForce {
        // A share of nothing is no budget.
        let evictor = self.in_force.or_else(|| self.evictor(0).ok());
        evictor.as_ref().map_or(InForce::Pending, in_force)
    }

    /// Another policy or budget is in force at once: the cache is selected anew from everything that was
    /// said. Without an archive, before anything was said, and where that is stopped, it holds from the next
    /// turn on.
    ///
    /// # Errors
    /// As a turn's; the cache is as it was then.
    pub fn reselect(&mut self, watcher: &mut dyn Watcher) -> Result<(), TurnError> {
        let tokens = self.lane.tokens().to_vec();
        if self.archive.is_none() || tokens.is_empty() {
            return Ok(());
        }
        self.lane.archive_decoded()?;
        let evictor = self.evictor(tokens.len())?;
        let (reading, ..) = self.recall(&tokens, evictor, self.turn, &mut Quiet(watcher))?;
        let Some(through) = reading.through else {
            return Ok(());
        };
        self.show(through, Trigger::Recall, watcher);
        self.in_force = Some(evictor);
        watcher.picture(self.picture_with_holders());
        Ok(())
    }

    /// Answers `text`. When it fails or is stopped before its prefill is through, the conversation
    /// is as it was; when it is stopped later, the partial answer is kept.
    pub fn ask(
        &mut self,
        text: &str,
        sampling: &Sampling,
        watcher: &mut dyn Watcher,
    ) -> Result<TurnStats, TurnError> {
        let turn = self.turn + 1;
        unless_stopped(turn, self.answered(turn, text, sampling, watcher))
    }

    fn answered(
        &mut self,
        turn: Turn,
        text: &str,
        sampling: &Sampling,
        watcher: &mut dyn Watcher,
    ) -> Result<TurnStats, TurnError> {
        let mut messages = self.messages.clone();
        messages.push(Message {
            role: Role::User,
            content: text.to_owned(),
        });
        self.model.template.set_thinking(sampling.thinking);
        let ahead = self.ahead(&messages, &|| watcher.stopped())?;
        let answer = Message {
            role: Role::Assistant,
            content: String::new(),
        };
        messages.push(answer);
        self.turn_of(turn, ahead, messages, sampling, watcher)
    }

    /// Goes on with the last answer where it was stopped or cut. What the cache holds is not read
    /// again; a conversation that was brought back is read up to the end of the partial answer.
    /// When it fails or is stopped before the first token, the answer is as it was.
    pub fn resume(
        &mut self,
        sampling: &Sampling,
        watcher: &mut dyn Watcher,
    ) -> Result<TurnStats, TurnError> {
        let turn = self.turn.max(1);
        unless_stopped(turn, self.resumed(turn, sampling, watcher))
    }

    fn resumed(
        &mut self,
        turn: Turn,
        sampling: &Sampling,
        watcher: &mut dyn Watcher,
    ) -> Result<TurnStats, TurnError> {
        self.model.template.set_thinking(sampling.thinking);
        let answer = match self.messages.split_last() {
            Some((last, before)) if last.role == Role::Assistant => (last, before),
            _ => return Err(TurnError::NoAnswer),
        };
        let context = self.model.network.description().context;
        if self.drawn.ended == Some(Stop::Eos) {
            return Err(TurnError::Complete);
        }
        if self.drawn.pending.is_none() || self.lane.position() == 0 {
            let (last, before) = answer;
            let Model {
                tokenizer,
                template,
                ..
            } = &self.model;
            // The template's own beginning of an answer, and behind it what there is of this one:
            // the message stays open.
            let prompt =
                template.encode_chat_until(tokenizer, before, true, &|| watcher.stopped())?;
            let said = begun::tokens(tokenizer, &prompt, &last.content);
            let mut tokens = prompt.clone();
            tokens.extend(said.map_err(TemplateError::from)?);
            let how = match self.archive {
                Some(_) => How::Recalled,
                None => How::Fresh,
            };
            let ahead = Ahead {
                how,
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
}

/// One that was stopped before there was anything to read came to nothing.
fn unless_stopped(turn: Turn, ended: Result<TurnStats, TurnError>) -> Result<TurnStats, TurnError> {
    match ended {
        Err(TurnError::Template(TemplateError::Stopped)) => Ok(TurnStats::new(turn, 0, 0.0)),
        ended => ended,
    }
}

/// A read that is no turn.
struct Quiet<'a>(&'a mut dyn Watcher);

impl Watcher for Quiet<'_> {
    fn stopped(&self) -> bool {
        self.0.stopped()
    }

    fn event(&mut self, event: Event) {
        if let Event::Notice(_) = event {
            self.0.event(event);
        }
    }

    fn picture(&mut self, _: CachePicture) {}
}

fn in_force(evictor: &Evictor) -> InForce {
    match evictor.bound_per_head() {
        Some(entries) => InForce::Entries(entries),
        None => InForce::Unbounded,
    }
}
