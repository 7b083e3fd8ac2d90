//! What is read off rows of logits.

/// The likeliest token; the lowest id of equals.
pub fn argmax(logits: &[f32]) -> u32 {
    let best = logits
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    best.map_or(0, |(i, _)| i as u32)
}

/// The `n` likeliest tokens with their logits; the lowest id first of equals.
pub fn top(logits: &[f32], n: usize) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
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
