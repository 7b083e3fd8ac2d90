//! How long a draft should be: by how often such drafts came true, and what the rows of a pass take.

use std::time::Duration;

use super::lookup::COUNTED;

/// Tokens of a draft at most; beyond, a row costs as much as it brings.
pub(super) const MOST: usize = 15;
/// Weight of what was seen last.
const NEWEST: f32 = 1.0 / 16.0;
/// What a row is taken to cost, in steps, before it was measured.
const ROW: f32 = 0.25;
/// A draft must promise so much more than steps without.
const MARGIN: f32 = 1.08;
/// Steps without a draft before the first, so that there is something to compare with.
const FIRST: usize = 3;
/// Promising drafts that are passed over before their costs are measured again.
const AGAIN: usize = 128;

#[derive(Debug)]
pub(super) struct Pace {
    /// By how many tokens matched, how likely each drafted one is to come if those before it did.
    chances: [f32; COUNTED + 1],
    /// Seconds of a pass of one row, and how many were measured.
    plain: f32,
    measured: usize,
    /// By rows, what a pass takes, in passes of one row; 0 where that is not known.
    costs: [f32; MOST + 2],
    passed_over: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            // Long matches are quotations.
            chances: [0.0, 0.0, 0.2, 0.3, 0.5, 0.6, 0.7, 0.75, 0.85],
            plain: 0.0,
            measured: 0,
            costs: [0.0; MOST + 2],
            passed_over: 0,
        }
    }
}

impl Pace {
    /// A token that was drafted, or would have been, came or did not.
    pub fn learn(&mut self, matched: usize, came: bool) {
        let chance = &mut self.chances[matched.min(COUNTED)];
        *chance += NEWEST * (f32::from(u8::from(came)) - *chance);
    }

    /// A pass of `rows` took so long.
    pub fn took(&mut self, rows: usize, time: Duration) {
        let seconds = time.as_secs_f32();
        if rows < 2 {
            // The first is slow, and others may be; none is too fast.
            let weight = match self.measured {
                0 => 1.0,
                _ if seconds < self.plain => 0.5,
                _ => NEWEST,
            };
            self.plain += weight * (seconds - self.plain);
            self.measured += 1;
        } else if let Some(cost) = self.costs.get_mut(rows).filter(|_| self.plain > 0.0) {
            let measured = seconds / self.plain;
            let weight = if *cost == 0.0 { 1.0 } else { 0.25 };
            *cost += weight * (measured - *cost);
        }
    }

    /// What a pass of `rows` takes, in passes of one: measured, or by the nearest that was.
    fn cost(&self, rows: usize) -> f32 {
        let known = |other: &usize| self.costs[*other] > 0.0;
        let nearest = (2..self.costs.len()).filter(known);
        let nearest = nearest.min_by_key(|other| other.abs_diff(rows));
        let row = nearest.map_or(ROW, |n| (self.costs[n] - 1.0) / (n - 1) as f32);
        1.0 + row.max(0.0) * (rows - 1) as f32
    }

    /// Tokens that are worth drafting where `matched` spoke for them, `most` at most.
    pub fn length(&mut self, matched: usize, most: usize) -> usize {
        if self.measured < FIRST {
            return 0;
        }
        let chance = self.chances[matched.min(COUNTED)];
        let best = |cost: &dyn Fn(usize) -> f32| {
            let (mut best, mut tokens, mut all) = ((MARGIN, 0), 1.0, 1.0);
            for len in 1..=most.min(MOST) {
                all *= chance;
                tokens += all;
                let gain = tokens / cost(len + 1);
                if gain > best.0 {
                    best = (gain, len);
                }
            }
            best.1
        };
        let len = best(&|rows| self.cost(rows));
        if len > 0 {
            return len;
        }
        // By what was measured it does not pay; it may have been measured in a bad moment.
        let len = best(&|rows| 1.0 + ROW * (rows - 1) as f32);
        self.passed_over += usize::from(len > 0);
        if self.passed_over < AGAIN {
            return 0;
        }
        self.passed_over = 0;
        self.costs = [0.0; MOST + 2];
        len
    }
}
