//! A sample's answers under every variant, from one reading of its text: the full cache reads it, and
//! every policy selects its own from that (a fork of the lane, and an archive in memory beside it).

mod greedy;
mod options;
mod repeated;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::data::{Question, Sample};
use super::error::EvalError;
use super::prompt::{Prompt, Writer};
use super::record::{NO_ROOM, Record};
use super::selected::{Following, Selected, select};
use super::variant::{Mode, Variant};
use super::watch::Watch;
use crate::archive::Archive;
use crate::engine::evict::Evictor;
use crate::engine::lane::Lane;
use crate::engine::session::{Model, behind_answer};
use crate::heap;
use greedy::{Answered, Greedy, Teacher};
use options::Weighing;

/// Answers samples.
pub struct Runner<'m> {
    pub model: &'m Model,
    /// The full cache first.
    pub variants: &'m [Variant],
    pub mode: Mode,
    /// Most tokens of a prompt with its answer.
    pub most: usize,
}

/// The part of a sample's work that its reading is taken to be.
const READING: f64 = 0.5;

impl Runner<'_> {
    /// All answers to a sample's questions; `None` when it was stopped.
    ///
    /// # Errors
    /// What cannot be written as a prompt, and the model's own.
    pub fn run(
        &self,
        sample: &Sample,
        watch: &mut dyn Watch,
    ) -> Result<Option<Vec<Record>>, EvalError> {
        let most = self.most.min(self.model.network.description().context);
        let model = self.model;
        let writer = Writer { model, most };
        let prompt = writer.write(sample)?;
        let run = Run {
            runner: self,
            writer,
            sample,
            prompt,
            archive: Arc::new(Archive::in_memory(model.network.identity(), u64::MAX)),
        };
        let records = match self.mode {
            Mode::With => run.with(watch),
            Mode::Later => run.later(false, watch),
            Mode::LaterRepeated => run.later(true, watch),
            Mode::Turns => run.turns(true, watch),
            Mode::TurnsBare => run.turns(false, watch),
        };
        drop(run);
        heap::give_back();
        records
    }
}

/// One sample's run.
struct Run<'r, 'm> {
    runner: &'r Runner<'m>,
    writer: Writer<'m>,
    sample: &'r Sample,
    prompt: Prompt,
    archive: Arc<Archive>,
}

/// A turn that was answered.
struct Last {
    /// Up to where the answer begins.
    prompt: Vec<u32>,
    /// Where it begins in the lane, whose answers before may be encoded otherwise.
    at: usize,
    text: String,
    /// Of the answer: none where it was weighed, and the last one is not fed where it was cut.
    tokens: Vec<u32>,
}

type Records = Result<Option<Vec<Record>>, EvalError>;

impl Run<'_, '_> {
    fn variants(&self) -> &[Variant] {
        self.runner.variants
    }

    fn evictor(&self, variant: &Variant, position: usize) -> Evictor {
        variant.evictor(&*self.runner.model.network, position)
    }

    /// A lane without tokens that keeps what it reads in the sample's archive.
    fn lane(&self, evictor: Evictor) -> Result<Lane, EvalError> {
        let network = &self.runner.model.network;
        Ok(Lane::archiving(
            network,
            evictor,
            Some(self.archive.clone()),
        )?)
    }

    /// The share of the answers that `given` of them are.
    fn share(&self, given: usize) -> f64 {
        let all = self.sample.questions.len() * self.variants().len();
        given as f64 / all.max(1) as f64
    }

    /// The same where a reading went before, which counts as much as all answers.
    fn read_and(&self, given: usize) -> f64 {
        READING + (1.0 - READING) * self.share(given)
    }

    /// The question is known when the cache is selected.
    fn with(&self, watch: &mut dyn Watch) -> Records {
        let mut out = Vec::new();
        let params = self.variants()[0].0.params;
        let mut full = self.lane(Evictor::none(params))?;
        for (q, tokens) in self.prompt.questions.iter().enumerate() {
            let Some(first) = select(&mut full, tokens, watch)? else {
                return Ok(None);
            };
            let mut teacher = None;
            for (v, variant) in self.variants().iter().enumerate() {
                watch.progress(self.read_and(q * self.variants().len() + v));
                let mut lane = full.fork(self.evictor(variant, tokens.len()));
                let logits = match lane.evictor().bounded() {
                    false => Some(first.clone()),
                    true => select(&mut lane, tokens, watch)?,
                };
                let Some(logits) = logits else {
                    return Ok(None);
                };
                lane.leave_archive();
                let selected = Selected::of(&lane);
                let how = self.greedy(q, teacher.as_ref(), false);
                let Some(answered) = self.answer(how, q, &mut lane, logits, watch)? else {
                    return Ok(None);
                };
                out.push(self.record(variant, q, tokens.len(), &selected, &answered));
                teacher.get_or_insert(answered.teacher);
            }
        }
        Ok(Some(out))
    }

    /// The cache is selected behind the text, by its end or by its repetition, and every question is put to a
    /// fork of it.
    fn later(&self, repeated: bool, watch: &mut dyn Watch) -> Records {
        let mut out = Vec::new();
        let params = self.variants()[0].0.params;
        let mut full = self.lane(Evictor::none(params))?;
        let shared = self.prompt.shared;
        let text = &self.prompt.questions[0][..shared];
        // Where prompts have nothing in common before their questions, nothing is evicted.
        if shared > 0 && select(&mut full, text, watch)?.is_none() {
            return Ok(None);
        }
        let mut repetition = None;
        if repeated && shared > 0 {
            repetition = self.repetition(&full, watch)?;
            if repetition.is_none() {
                return Ok(None);
            }
        }
        let mut teachers: Vec<Teacher> = Vec::new();
        for (v, variant) in self.variants().iter().enumerate() {
            let mut base = full.fork(self.evictor(variant, shared));
            let selects = shared > 0 && base.evictor().bounded();
            match &repetition {
                Some(repetition) if selects => {
                    base.evict_by(repetition)?;
                }
                None if selects && select(&mut base, text, watch)?.is_none() => return Ok(None),
                _ => {}
            }
            let selected = Selected::of(&base);
            for (q, tokens) in self.prompt.questions.iter().enumerate() {
                watch.progress(self.read_and(v * self.sample.questions.len() + q));
                let mut lane = base.fork(Evictor::none(params));
                lane.leave_archive();
                let read = lane.read(&tokens[shared..], &mut Following(watch))?;
                let Some(read) = read else {
                    return Ok(None);
                };
                let how = self.greedy(q, teachers.get(q), true);
                let Some(answered) = self.answer(how, q, &mut lane, read.logits, watch)? else {
                    return Ok(None);
                };
                out.push(self.record(variant, q, tokens.len(), &selected, &answered));
                if v == 0 {
                    teachers.push(answered.teacher);
                }
            }
        }
        Ok(Some(out))
    }

    /// One conversation per variant, in which every question is a turn.
    fn turns(&self, archived: bool, watch: &mut dyn Watch) -> Records {
        let mut out = Vec::new();
        for (v, variant) in self.variants().iter().enumerate() {
            let mut lane = self.lane(Evictor::none(variant.0.params))?;
            let mut answers: Vec<String> = Vec::new();
            let mut last: Option<Last> = None;
            for (q, question) in self.sample.questions.iter().enumerate() {
                watch.progress(self.share(v * self.sample.questions.len() + q));
                // The conversation is full: this question and those behind it are not asked.
                let tokens = match answers.len() == q {
                    true => self
                        .writer
                        .turn(self.sample, &self.prompt.texts, &answers)?,
                    false => Vec::new(),
                };
                let needed = tokens
                    .len()
                    .saturating_add(self.writer.answer_tokens(question)?);
                if tokens.is_empty() || needed > self.writer.most {
                    out.push(self.unasked(variant, q, tokens.len()));
                    continue;
                }
                lane.set_evictor(self.evictor(variant, tokens.len()));
                let before = last.as_ref().filter(|_| !archived);
                let behind = before.and_then(|last| self.behind(&lane, last, &tokens));
                let logits = match behind {
                    Some(rest) => {
                        let read = lane.read(&rest, &mut Following(watch))?;
                        read.map(|read| read.logits)
                    }
                    None => select(&mut lane, &tokens, watch)?,
                };
                let Some(logits) = logits else {
                    return Ok(None);
                };
                if !archived {
                    lane.leave_archive();
                }
                let (selected, at) = (Selected::of(&lane), lane.position());
                let how = self.greedy(q, None, false);
                let Some(answered) = self.answer(how, q, &mut lane, logits, watch)? else {
                    return Ok(None);
                };
                out.push(self.record(variant, q, tokens.len(), &selected, &answered));
                answers.push(answered.text.clone());
                last = Some(Last {
                    prompt: tokens,
                    at,
                    text: answered.text,
                    tokens: answered.teacher.tokens,
                });
            }
        }
        Ok(Some(out))
    }

    /// Of a conversation's `tokens`, what is to be read behind what `lane` holds; `None` where what was said
    /// before is written otherwise.
    fn behind(&self, lane: &Lane, last: &Last, tokens: &[u32]) -> Option<Vec<u32>> {
        if let Some(rest) = tokens.strip_prefix(lane.tokens()) {
            return Some(rest.to_vec());
        }
        let tokenizer = &self.runner.model.tokenizer;
        let rest = match last.tokens.is_empty() {
            true => tokens.strip_prefix(&last.prompt[..])?,
            false => behind_answer(tokenizer, &last.prompt, &last.text, tokens)?,
        };
        let fed = lane.position() - last.at;
        let pending = last.tokens.get(fed..).unwrap_or_default();
        Some([pending, rest].concat())
    }

    /// Of a question that was not asked: so that whoever goes on does not try again.
    fn unasked(&self, variant: &Variant, q: usize, prompt_tokens: usize) -> Record {
        let selected = Selected {
            bytes: 0,
            full: 0,
            entries: None,
        };
        let answered = Answered {
            stop: NO_ROOM,
            ..Answered::default()
        };
        Record {
            score: 0.0,
            ..self.record(variant, q, prompt_tokens, &selected, &answered)
        }
    }

    fn greedy<'a>(
        &'a self,
        question: usize,
        teacher: Option<&'a Teacher>,
        first: bool,
    ) -> Greedy<'a> {
        let Question { rule, .. } = &self.sample.questions[question];
        Greedy {
            tokenizer: &self.runner.model.tokenizer,
            max_tokens: rule.max_tokens,
            line: rule.first_line,
            teacher,
            first,
        }
    }

    /// An answer as it is decoded, or the option that is likeliest.
    fn answer(
        &self,
        how: Greedy<'_>,
        q: usize,
        lane: &mut Lane,
        logits: Vec<f32>,
        watch: &mut dyn Watch,
    ) -> Result<Option<Answered>, EvalError> {
        let question = &self.sample.questions[q];
        if !question.rule.metric.weighs() {
            return Ok(how.answer(lane, logits, watch)?);
        }
        let weighing = Weighing {
            tokenizer: how.tokenizer,
            question,
            teacher: how.teacher,
            first: how.first,
        };
        weighing.answer(lane, logits, watch)
    }

    fn record(
        &self,
        variant: &Variant,
        q: usize,
        prompt_tokens: usize,
        selected: &Selected,
        answered: &Answered,
    ) -> Record {
        let (sample, question) = (self.sample, &self.sample.questions[q]);
        let Question {
            answers,
            classes,
            rule,
            ..
        } = question;
        Record {
            sample: sample.id.clone(),
            task: sample.task.clone(),
            dataset: sample.dataset.clone(),
            length: sample.length,
            depths: sample.depths.clone(),
            mode: self.runner.mode.name().into(),
            policy: variant.policy().into(),
            budget: variant.budget(),
            entries: selected.entries,
            question: q,
            prompt_tokens,
            lost_tokens: self.prompt.texts.lost,
            bytes: selected.bytes,
            kept_share: selected.share(),
            answer: answered.text.clone(),
            answer_tokens: answered.tokens,
            stop: answered.stop.into(),
            references: answers.clone(),
            metric: rule.metric.name().into(),
            score: rule.score(&answered.text, answers, classes),
            kl: answered.kl,
            top1: answered.top1,
            options: answered.options.clone(),
            followed: None,
            seconds: answered.seconds,
        }
    }
}
