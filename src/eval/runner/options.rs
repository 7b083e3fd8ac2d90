//! Multiple choice by how likely the options are: nothing is generated, each option is fed behind the prompt.

use std::time::Instant;

use super::greedy::{Answered, Teacher};
use crate::engine::lane::Lane;
use crate::engine::logits::Measured;
use crate::eval::data::Question;
use crate::eval::error::EvalError;
use crate::eval::forced::force;
use crate::eval::metric::Metric;
use crate::eval::record::Chance;
use crate::eval::watch::Watch;
use crate::model::log_softmax;
use crate::model::tokenizer::Tokenizer;

/// How to choose.
pub struct Weighing<'a> {
    pub tokenizer: &'a Tokenizer,
    pub question: &'a Question,
    pub teacher: Option<&'a Teacher>,
    /// Whether the first step's logits come from what was evicted: else they are the full cache's.
    pub first: bool,
}

impl Weighing<'_> {
    /// The likeliest option, from the logits behind the prompt; `None` when it was stopped.
    pub fn answer(
        self,
        lane: &Lane,
        logits: Vec<f32>,
        watch: &mut dyn Watch,
    ) -> Result<Option<Answered>, EvalError> {
        let begun = Instant::now();
        let mut options = Vec::with_capacity(self.question.classes.len());
        for text in &self.question.classes {
            let tokens = self.tokenizer.encode_on(text)?;
            let Some(log_likelihood) = likelihood(lane, &logits, &tokens, watch)? else {
                return Ok(None);
            };
            options.push(Chance {
                text: text.clone(),
                tokens: tokens.len(),
                log_likelihood,
            });
        }
        let mut measured = Measured::default();
        let full = self.teacher.and_then(|teacher| teacher.rows.first());
        if let Some(full) = full.filter(|_| self.first) {
            measured.step(full, &logits);
        }
        let chosen = chosen(self.question.rule.metric, &options);
        Ok(Some(Answered {
            text: chosen.map_or_else(String::new, |option| option.text.clone()),
            tokens: chosen.map_or(0, |option| option.tokens),
            stop: "choice",
            kl: measured.kl.first().copied(),
            top1: measured.kl.first().map(|_| measured.agree as f64),
            options,
            teacher: Teacher {
                tokens: Vec::new(),
                rows: vec![logits],
            },
            seconds: begun.elapsed().as_secs_f64(),
        }))
    }
}

/// ln p of `tokens` behind what the lane holds, whose next token has the logits `first`. The lane stays
/// as it is.
fn likelihood(
    lane: &Lane,
    first: &[f32],
    tokens: &[u32],
    watch: &mut dyn Watch,
) -> Result<Option<f64>, EvalError> {
    let Some((&head, rest)) = tokens.split_first() else {
        return Ok(Some(0.0));
    };
    let mut sum = log_softmax(first, head);
    let mut next = rest.iter();
    let mut take = |logits: Vec<f32>| {
        sum += next
            .next()
            .map_or(0.0, |&token| log_softmax(&logits, token));
    };
    let mut fork = lane.fork(*lane.evictor());
    let fed = &tokens[..rest.len()];
    let done = force(&mut fork, fed, watch, &mut take)?;
    Ok(done.map(|()| sum))
}

/// The likeliest, as a whole or per character; the first of equals.
fn chosen(metric: Metric, options: &[Chance]) -> Option<&Chance> {
    let worth = |option: &Chance| match metric {
        Metric::LikelihoodRaw => option.log_likelihood,
        _ => option.log_likelihood / option.text.chars().count().max(1) as f64,
    };
    let mut best: Option<&Chance> = None;
    for option in options {
        if best.is_none_or(|best| worth(option) > worth(best)) {
            best = Some(option);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_options_do_not_win_by_being_short() {
        let option = |text: &str, log_likelihood: f64| Chance {
            text: text.into(),
            tokens: 1,
            log_likelihood,
        };
        let options = [
            option("no", -4.0),
            option("öäüß", -6.0),
            option("so it was", -9.5),
            option("abcd", -6.0),
        ];
        let of = |metric| chosen(metric, &options).map(|option| option.text.as_str());
        assert_eq!(of(Metric::LikelihoodRaw), Some("no"));
        // −2, −1.5 (characters, not bytes), −1.06
        assert_eq!(of(Metric::Likelihood), Some("so it was"));
        let equal = [option("b", -1.0), option("a", -1.0)];
        assert_eq!(chosen(Metric::Likelihood, &equal), equal.first());
        assert_eq!(chosen(Metric::Likelihood, &[]), None);
    }
}
