//! One conversation: its messages, its cache, its turns.

use std::time::{Duration, Instant};

use super::event::{
    CachePicture, Event, EvictionRound, LayerEviction, Message, Role, Sampling, Stop, Trigger,
    Turn, TurnStats,
};
use super::evict::Evictor;
use super::sampler::Sampler;
use crate::cache::{KvCache, LayerState};
use crate::model::detokenize::Detokenizer;
use crate::model::template::{ChatTemplate, TemplateError};
use crate::model::tokenizer::Tokenizer;
use crate::model::{ModelError, Network, PrefillHooks};
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
        "the conversation would take {needed} tokens, {over} more than the model's context of \
         {context}; shorten it or use a model with a longer context (a larger budget does not help)"
    )]
    TooLong {
        needed: usize,
        over: usize,
        context: usize,
    },
    #[error(
        "the budget comes to {budget} entries per KV head, which the observation window of {window} \
         alone would fill; the smallest legal budget is {smallest}"
    )]
    Budget {
        budget: usize,
        window: usize,
        smallest: usize,
    },
}

/// Where a turn's news goes, and whether it should end.
pub trait Watcher {
    fn stopped(&self) -> bool;
    fn event(&mut self, event: Event);
    fn picture(&mut self, picture: CachePicture);
}

/// The conversation so far.
pub struct Session {
    model: Model,
    eviction: Eviction,
    messages: Vec<Message>,
    cache: KvCache,
    /// Tokens in the cache or pending, for the repeat penalty.
    tokens: Vec<u32>,
    /// Drawn but not yet in the cache.
    pending: Option<u32>,
    turn: Turn,
    peak_bytes: u64,
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

    /// Begins anew, or from `messages`, which are prefilled with the next question.
    pub fn restart(
        &mut self,
        system: Option<String>,
        messages: Option<Vec<Message>>,
    ) -> Result<(), ModelError> {
        self.cache = self
            .model
            .network
            .empty_cache(self.eviction.params.window)?;
        let system = system.map(|content| Message {
            role: Role::System,
            content,
        });
        self.messages = messages.unwrap_or_else(|| system.into_iter().collect());
        self.tokens.clear();
        self.pending = None;
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
        let network = &self.model.network;
        let d = network.description();
        let Eviction {
            preset,
            params,
            budget,
        } = self.eviction;
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
        let turn = self.turn + 1;
        let mut messages = self.messages.clone();
        messages.push(Message {
            role: Role::User,
            content: text.to_owned(),
        });
        let (fresh, tokens) = self.new_tokens(&messages)?;
        let context = self.model.network.description().context;
        let start = if fresh { 0 } else { self.cache.position };
        let needed = start + tokens.len();
        if needed > context {
            return Err(TurnError::TooLong {
                needed,
                over: needed - context,
                context,
            });
        }
        let evictor = self.evictor(needed)?;
        let mut cache = match fresh {
            true => self.model.network.empty_cache(evictor.params.window)?,
            false => self.cache.clone(),
        };
        watcher.event(Event::TurnStarted {
            turn,
            prompt_tokens: tokens.len(),
            position: start,
        });
        let begun = Instant::now();
        let mut hooks = Hooks {
            evictor: &evictor,
            turn,
            tokens: tokens.len(),
            begun,
            total: 0,
            evicting: 0.0,
            evicted: Vec::new(),
            peak: 0,
            full: full_bytes(&*self.model.network, needed),
            watcher,
        };
        let logits = self
            .model
            .network
            .prefill(&mut cache, &tokens, &mut hooks)?;
        let (evicting, evicted, peak) = (hooks.evicting, hooks.evicted, hooks.peak);
        let mut stats = TurnStats {
            turn,
            stop: Stop::Interrupted,
            prompt_tokens: tokens.len(),
            generated_tokens: 0,
            prefill_seconds: begun.elapsed().as_secs_f64(),
            decode_seconds: 0.0,
        };
        let Some(logits) = logits else {
            // Over the pictures of the prefill that was given up.
            watcher.picture(self.picture_with_holders());
            return Ok(stats);
        };
        self.cache = cache;
        self.peak_bytes = self.peak_bytes.max(peak);
        self.turn = turn;
        self.in_force = Some(evictor);
        self.messages = messages;
        // A drawn token that was pending stands at the head of the new ones.
        if self.pending.take().is_some() {
            self.tokens.pop();
        }
        match fresh {
            true => self.tokens = tokens,
            false => self.tokens.extend(tokens),
        }
        if !evicted.is_empty() {
            let round = self.round(Trigger::Prefill, turn, evicted, evicting);
            watcher.event(Event::Eviction(Box::new(round)));
        }
        watcher.event(Event::Tokens(self.token_texts()));
        watcher.picture(self.picture_with_holders());
        let begun = Instant::now();
        let answer = self.decode(logits, sampling, &evictor, &mut stats, watcher);
        stats.decode_seconds = begun.elapsed().as_secs_f64();
        let (content, outcome) = answer;
        self.messages.push(Message {
            role: Role::Assistant,
            content,
        });
        watcher.picture(self.picture_with_holders());
        outcome.map(|()| stats)
    }

    /// The decode loop; the answer so far is returned even when it fails.
    fn decode(
        &mut self,
        mut logits: Vec<f32>,
        sampling: &Sampling,
        evictor: &Evictor,
        stats: &mut TurnStats,
        watcher: &mut dyn Watcher,
    ) -> (String, Result<(), TurnError>) {
        let Session {
            model,
            cache,
            tokens,
            pending,
            peak_bytes,
            ..
        } = self;
        let d = model.network.description();
        let mut sampler = Sampler::new(sampling);
        let mut text = Detokenizer::new(&model.tokenizer);
        let mut answer = String::new();
        let turn = stats.turn;
        let begun = Instant::now();
        let mut pictured = Instant::now();
        let outcome = loop {
            let token = match sampler.draw(logits, tokens) {
                Ok(token) => token,
                Err(error) => break Err(error.into()),
            };
            if model.tokenizer.eos_ids().contains(&token) {
                stats.stop = Stop::Eos;
                break Ok(());
            }
            tokens.push(token);
            *pending = Some(token);
            stats.generated_tokens += 1;
            if let Some(piece) = text.push(token) {
                answer.push_str(&piece);
                watcher.event(Event::Text { turn, piece });
            }
            watcher.event(Event::Decoded {
                turn,
                generated: stats.generated_tokens,
                seconds: begun.elapsed().as_secs_f64(),
                position: cache.position,
            });
            if stats.generated_tokens >= sampling.max_tokens || cache.position >= d.context {
                stats.stop = Stop::Length;
                break Ok(());
            }
            if watcher.stopped() {
                break Ok(());
            }
            // Before the token is appended, so that the bound holds at every moment.
            match make_room(&*model.network, cache, evictor) {
                Ok(Some(made)) => {
                    *peak_bytes = made.peak.max(*peak_bytes);
                    let round = round(
                        &*model.network,
                        Trigger::Decode,
                        turn,
                        made.layers,
                        made.milliseconds,
                    );
                    watcher.event(Event::Eviction(Box::new(round)));
                    let holders = cache.holders();
                    watcher.picture(CachePicture {
                        holders,
                        ..picture(&*model.network, cache, Some(evictor), *peak_bytes)
                    });
                    pictured = Instant::now();
                }
                Ok(None) if pictured.elapsed() >= PICTURE_EVERY => {
                    *peak_bytes = (cache.allocated_bytes() as u64).max(*peak_bytes);
                    watcher.picture(picture(&*model.network, cache, Some(evictor), *peak_bytes));
                    pictured = Instant::now();
                }
                Ok(None) => {}
                Err(error) => break Err(error.into()),
            }
            match model.network.decode(cache, token, &|| watcher.stopped()) {
                Ok(Some(next)) => {
                    *pending = None;
                    logits = next;
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.into()),
            }
        };
        if let Some(piece) = text.finish() {
            answer.push_str(&piece);
            watcher.event(Event::Text { turn, piece });
        }
        self.peak_bytes = self.peak_bytes.max(self.cache.allocated_bytes() as u64);
        (answer, outcome)
    }

    /// What has to be prefilled for `messages`, and whether from scratch. On later turns it is
    /// what the template puts behind the last answer: the answer's own tokens are in the cache.
    fn new_tokens(&self, messages: &[Message]) -> Result<(bool, Vec<u32>), TurnError> {
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

    fn round(
        &self,
        trigger: Trigger,
        turn: Turn,
        layers: Vec<LayerEviction>,
        ms: f64,
    ) -> EvictionRound {
        round(&*self.model.network, trigger, turn, layers, ms)
    }
}

/// What [`make_room`] did.
pub(super) struct MadeRoom {
    pub layers: Vec<LayerEviction>,
    pub milliseconds: f64,
    /// Most bytes of the cache's buffers on the way, a layer's old ones beside its new.
    pub peak: u64,
}

/// Evicts every layer that one more token would take over its bound.
pub(super) fn make_room(
    network: &dyn Network,
    cache: &mut KvCache,
    evictor: &Evictor,
) -> Result<Option<MadeRoom>, ModelError> {
    if !evictor.bounded() {
        return Ok(None);
    }
    let d = network.description();
    let begun = Instant::now();
    let position = cache.position;
    let mut layers = Vec::new();
    let mut peak = 0;
    for l in 0..cache.layers.len() {
        let bound = evictor.bound(l, d.layers, position, d.kv_heads);
        if cache.layers[l].layer.entries() + d.kv_heads <= bound {
            continue;
        }
        let before = cache.allocated_bytes();
        if let Some(found) = evictor.evict(network, l, &mut cache.layers[l], position)? {
            peak = peak.max(before + cache.layers[l].layer.allocated_bytes());
            layers.push(found.report);
        }
    }
    Ok((!layers.is_empty()).then_some(MadeRoom {
        layers,
        milliseconds: begun.elapsed().as_secs_f64() * 1000.0,
        peak: peak as u64,
    }))
}

/// How often a running answer shows its cache.
const PICTURE_EVERY: Duration = Duration::from_millis(50);

fn picture(
    network: &dyn Network,
    cache: &KvCache,
    evictor: Option<&Evictor>,
    peak_bytes: u64,
) -> CachePicture {
    let d = network.description();
    let bound = |e: &Evictor| e.total(d.layers, cache.position, d.kv_heads);
    CachePicture {
        lens: counts(&cache.lens()),
        filled_layers: None,
        used_bytes: cache.used_bytes() as u64,
        allocated_bytes: cache.allocated_bytes() as u64,
        peak_bytes,
        full_bytes: full_bytes(network, cache.position),
        process_bytes: memory_stats::memory_stats().map_or(0, |m| m.physical_mem as u64),
        position: cache.position,
        bound_entries: evictor.and_then(bound),
        holders: Vec::new(),
    }
}

/// Bytes of keys and values that a cache which evicts nothing would use.
fn full_bytes(network: &dyn Network, position: usize) -> u64 {
    let d = network.description();
    let entry = d.entry_bytes(network.kv_dtype().1);
    (position * d.all_kv_heads() * entry) as u64
}

fn round(
    network: &dyn Network,
    trigger: Trigger,
    turn: Turn,
    layers: Vec<LayerEviction>,
    milliseconds: f64,
) -> EvictionRound {
    let before_entries: usize = layers.iter().map(|l| l.before_entries).sum();
    let after: u32 = layers.iter().flat_map(|l| &l.budgets).sum();
    let entry = network.description().entry_bytes(network.kv_dtype().1);
    let mean = |of: fn(&LayerEviction) -> &Vec<f32>| {
        let all: Vec<f32> = layers.iter().flat_map(of).copied().collect();
        all.iter().map(|&x| f64::from(x)).sum::<f64>() / all.len().max(1) as f64
    };
    EvictionRound {
        trigger,
        turn,
        before_entries,
        after_entries: after as usize,
        freed_bytes: (before_entries.saturating_sub(after as usize) * entry) as u64,
        retained_mass: mean(|l| &l.retained),
        uniform_retained_mass: mean(|l| &l.uniform_retained),
        milliseconds,
        layers,
    }
}

fn counts(lens: &[Vec<usize>]) -> Vec<Vec<u32>> {
    let layer = |l: &Vec<usize>| l.iter().map(|&n| n as u32).collect();
    lens.iter().map(layer).collect()
}

/// Evicts layer by layer and tells the watcher.
struct Hooks<'a> {
    evictor: &'a Evictor,
    turn: Turn,
    tokens: usize,
    begun: Instant,
    total: usize,
    /// Milliseconds spent on eviction.
    evicting: f64,
    evicted: Vec<LayerEviction>,
    peak: u64,
    full: u64,
    watcher: &'a mut dyn Watcher,
}

impl PrefillHooks for Hooks<'_> {
    fn stopped(&self) -> bool {
        self.watcher.stopped()
    }

    fn progress(&mut self, done: usize, total: usize) {
        self.total = total;
        self.watcher.event(Event::Prefill {
            turn: self.turn,
            done,
            total,
            tokens: self.tokens,
            seconds: self.begun.elapsed().as_secs_f64(),
        });
    }

    fn layer_done(
        &mut self,
        network: &dyn Network,
        staged: &mut [LayerState],
        before: &KvCache,
    ) -> Result<(), ModelError> {
        let allocated = |staged: &[LayerState]| {
            let own = staged.iter().zip(&before.layers);
            let own: usize = own.map(|(s, b)| s.layer.own_bytes(&b.layer)).sum();
            (own + before.allocated_bytes()) as u64
        };
        let mut peak = allocated(staged);
        let index = staged.len().saturating_sub(1);
        let begun = Instant::now();
        let position = before.position + self.tokens;
        if let Some(state) = staged.last_mut()
            && let Some(found) = self.evictor.evict(network, index, state, position)?
        {
            // The layer and what is kept of it stood side by side.
            peak += state.layer.allocated_bytes() as u64;
            self.evicted.push(found.report);
        }
        self.peak = self.peak.max(peak);
        self.evicting += begun.elapsed().as_secs_f64() * 1000.0;
        let standing = &before.layers[staged.len()..];
        let layers = staged.iter().chain(standing);
        let lens: Vec<Vec<usize>> = layers.clone().map(|s| s.layer.lens()).collect();
        self.watcher.picture(CachePicture {
            lens: counts(&lens),
            filled_layers: Some(staged.len()),
            used_bytes: layers.map(|s| s.layer.used_bytes() as u64).sum(),
            allocated_bytes: allocated(staged),
            peak_bytes: self.peak,
            full_bytes: self.full,
            process_bytes: memory_stats::memory_stats().map_or(0, |m| m.physical_mem as u64),
            position,
            bound_entries: self.evictor.total(
                network.description().layers,
                position,
                network.description().kv_heads,
            ),
            holders: Vec::new(),
        });
        Ok(())
    }
}
