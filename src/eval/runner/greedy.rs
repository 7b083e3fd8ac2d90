//! An answer, decoded greedily, and how far it strays from the full cache's.

use std::time::Instant;

use crate::engine::lane::{Begin, Decoded, Lane, Voice};
use crate::engine::logits::{Measured, argmax};
use crate::eval::record::Chance;
use crate::eval::watch::Watch;
use crate::model::detokenize::Detokenizer;
use crate::model::error::Result;
use crate::model::logits::Logits;
use crate::model::tokenizer::Tokenizer;

/// Steps that are held against the full cache's: their rows of logits are kept.
const STEPS: usize = 32;

/// The full cache's answer, as far as others are held against it.
#[derive(Default)]
pub struct Teacher {
    pub tokens: Vec<u32>,
    /// Logits of the steps, also of the one that ended the answer.
    pub rows: Vec<Vec<f32>>,
}

/// What an answer was.
#[derive(Default)]
pub struct Answered {
    pub text: String,
    pub tokens: usize,
    pub stop: &'static str,
    /// Mean over the steps, and the share of them at which the likeliest token is the same.
    pub kl: Option<f64>,
    pub top1: Option<f64>,
    /// Where options were weighed, all of them.
    pub options: Vec<Chance>,
    pub teacher: Teacher,
    pub seconds: f64,
}

/// How to answer.
pub struct Greedy<'a> {
    pub tokenizer: &'a Tokenizer,
    pub max_tokens: usize,
    /// Only the first line counts: it ends there.
    pub line: bool,
    pub teacher: Option<&'a Teacher>,
    /// Whether the first step's logits come from what was evicted: else they are the full cache's.
    pub first: bool,
}

impl Greedy<'_> {
    /// Answers from the logits of the next token; `None` when it was stopped.
    pub fn answer(
        self,
        lane: &mut Lane,
        logits: Vec<f32>,
        watch: &mut dyn Watch,
    ) -> Result<Option<Answered>> {
        let begun = Instant::now();
        let mut student = Student {
            text: Detokenizer::new(self.tokenizer),
            how: self,
            said: String::new(),
            tokens: Vec::new(),
            rows: Vec::new(),
            stop: "length",
            measured: Measured::default(),
            fork: None,
            diverged: false,
            watch,
        };
        let done = lane.decode(Begin::Logits(logits.into()), &mut student)?;
        let Student {
            how,
            mut said,
            mut text,
            tokens,
            rows,
            stop,
            mut measured,
            fork,
            watch,
            ..
        } = student;
        if done == Decoded::Stopped {
            return Ok(None);
        }
        if let (Some((mut lane, from)), Some(teacher)) = (fork, how.teacher) {
            let mut follow = Follow {
                teacher,
                step: from,
                measured: &mut measured,
                watch,
            };
            let token = Begin::Token(teacher.tokens[from]);
            if lane.decode(token, &mut follow)? == Decoded::Stopped {
                return Ok(None);
            }
        }
        said.extend(text.finish());
        let steps = measured.kl.len();
        let mean = |sum: f64| (steps > 0).then(|| sum / steps as f64);
        Ok(Some(Answered {
            text: said,
            tokens: tokens.len(),
            stop,
            kl: mean(measured.kl.iter().sum()),
            top1: mean(measured.agree as f64),
            options: Vec::new(),
            teacher: Teacher { tokens, rows },
            seconds: begun.elapsed().as_secs_f64(),
        }))
    }
}

struct Student<'a, 'w> {
    how: Greedy<'a>,
    text: Detokenizer<'a>,
    said: String,
    tokens: Vec<u32>,
    rows: Vec<Vec<f32>>,
    stop: &'static str,
    measured: Measured,
    /// The lane where the answer leaves the full cache's, and the step.
    fork: Option<(Lane, usize)>,
    diverged: bool,
    watch: &'w mut dyn Watch,
}

impl Student<'_, '_> {
    /// Holds a step against the full cache's.
    fn compare(&mut self, lane: &Lane, logits: &[f32], token: Option<u32>) {
        let step = self.tokens.len();
        let Some(teacher) = self.how.teacher.filter(|_| !self.diverged) else {
            return;
        };
        let Some(row) = teacher.rows.get(step) else {
            return;
        };
        if step > 0 || self.how.first {
            self.measured.step(row, logits);
        }
        if teacher.tokens.get(step).copied() != token {
            self.diverged = true;
            if step + 1 < teacher.rows.len() && step < teacher.tokens.len() {
                self.fork = Some((lane.fork(*lane.evictor()), step));
            }
        }
    }
}

impl Voice for Student<'_, '_> {
    fn stopped(&self) -> bool {
        self.watch.stopped()
    }

    fn next(&mut self, lane: &Lane, logits: Logits) -> Result<Option<u32>> {
        let logits = logits.whole()?;
        let token = argmax(&logits);
        let ends = self.how.tokenizer.eos_ids().contains(&token);
        self.compare(lane, &logits, (!ends).then_some(token));
        if self.how.teacher.is_none() && self.rows.len() < STEPS {
            self.rows.push(logits);
        }
        if ends {
            self.stop = "eos";
            return Ok(None);
        }
        self.tokens.push(token);
        if let Some(piece) = self.text.push(token) {
            self.said.push_str(&piece);
        }
        if self.how.line && self.said.trim_start_matches('\n').contains('\n') {
            self.stop = "line";
            return Ok(None);
        }
        let context = lane.layers().description().context;
        let over = self.tokens.len() >= self.how.max_tokens || lane.position() >= context;
        Ok((!over).then_some(token))
    }
}

/// Is fed the full cache's answer from where its own left it.
struct Follow<'a, 'w> {
    teacher: &'a Teacher,
    /// That was fed last.
    step: usize,
    measured: &'a mut Measured,
    watch: &'w mut dyn Watch,
}

impl Voice for Follow<'_, '_> {
    fn stopped(&self) -> bool {
        self.watch.stopped()
    }

    fn next(&mut self, _: &Lane, logits: Logits) -> Result<Option<u32>> {
        let logits = logits.whole()?;
        self.step += 1;
        let Some(row) = self.teacher.rows.get(self.step) else {
            return Ok(None);
        };
        self.measured.step(row, &logits);
        let more = self.step + 1 < self.teacher.rows.len();
        Ok(self.teacher.tokens.get(self.step).copied().filter(|_| more))
    }
}
