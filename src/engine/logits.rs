//! What is read off rows of logits.

use std::cmp::Ordering;

use crate::model::error::Result;
use crate::model::logits::Logits;

/// The likeliest token; the lowest id of equals.
pub fn argmax(logits: &[f32]) -> u32 {
    // As whole numbers, of which the loop takes many at a time.
    let largest = logits.iter().map(ordered).fold(i32::MIN, i32::max);
    let first = logits.iter().position(|logit| ordered(logit) == largest);
    first.map_or(0, |i| i as u32)
}

/// Whole numbers in the order of [`f32::total_cmp`].
fn ordered(x: &f32) -> i32 {
    let bits = x.to_bits().cast_signed();
    bits ^ ((bits >> 31).cast_unsigned() >> 1).cast_signed()
}

/// The same of logits wherever they are.
pub fn likeliest(logits: Logits) -> Result<u32> {
    let best = logits.best();
    let first = best.and_then(|best| {
        let &(logit, token) = best.tokens.first()?;
        best.floor
            .is_none_or(|floor| logit > floor)
            .then_some(token)
    });
    match first {
        Some(token) => Ok(token),
        None => Ok(argmax(&logits.whole()?)),
    }
}

/// The likelier token first, of equals the lowest id.
pub fn likelier(a: &(f32, u32), b: &(f32, u32)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

/// Of the tokens with `least` or more the `most` likeliest, in order: a pass over the row, in which few are kept.
pub fn top_from(logits: &[f32], most: usize, mut least: f32) -> Vec<(f32, u32)> {
    let room = most.saturating_mul(2).max(64);
    let mut kept: Vec<(f32, u32)> = Vec::new();
    for (id, &logit) in (0..).zip(logits) {
        if logit < least {
            continue;
        }
        kept.push((logit, id));
        if kept.len() >= room {
            kept.select_nth_unstable_by(most.saturating_sub(1), likelier);
            kept.truncate(most);
            // Equals that come later have higher ids, but few pass this.
            least = kept.last().map_or(least, |(logit, _)| *logit);
        }
    }
    kept.sort_unstable_by(likelier);
    kept.truncate(most);
    kept
}

/// The `n` likeliest tokens with their logits; the lowest id first of equals.
pub fn top(logits: &[f32], n: usize) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
    all.sort_by(|a, b| likelier(&(a.1, a.0), &(b.1, b.0)));
    all.truncate(n);
    all
}

/// KL(p ‖ q) of two rows of logits, in nats.
pub fn kl(p: &[f32], q: &[f32]) -> f64 {
    let log_softmax = |x: &[f32]| -> Vec<f64> {
        let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = x.iter().map(|&v| f64::from(v - max).exp()).sum();
        let log = sum.ln();
        x.iter().map(|&v| f64::from(v - max) - log).collect()
    };
    let (p, q) = (log_softmax(p), log_softmax(q));
    p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum()
}

/// What a policy's steps are like, fed the full cache's answer.
#[derive(Default)]
pub struct Measured {
    /// KL to the full cache of each step, nats.
    pub kl: Vec<f64>,
    /// Steps whose likeliest token is the full cache's.
    pub agree: usize,
}

impl Measured {
    pub fn step(&mut self, full: &[f32], own: &[f32]) {
        // Rounding may leave a hair below nothing.
        self.kl.push(kl(full, own).max(0.0));
        self.agree += usize::from(argmax(full) == argmax(own));
    }
}
