//! Answers drafted from the text: what followed the last few tokens before may follow them again. It is
//! fed with them and verified in one pass over the weights, which takes little longer than one token.

mod lookup;
mod pace;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use lookup::look_up;
use pace::{MOST, Pace};

/// Most tokens that can be asked for.
const LONGEST: usize = 64;

/// How much is drafted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Draft {
    /// As much as pays, by what was accepted and how long it took.
    #[default]
    Auto,
    Off,
    /// So many tokens wherever anything is found.
    Tokens(usize),
}

impl FromStr for Draft {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "auto" => Ok(Draft::Auto),
            "off" | "0" => Ok(Draft::Off),
            other => other
                .parse()
                .ok()
                .filter(|n| *n <= LONGEST)
                .map(Draft::Tokens)
                .ok_or_else(|| {
                    format!("`{text}` is not auto, off, or a number of tokens up to {LONGEST}")
                }),
        }
    }
}

impl fmt::Display for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Draft::Auto => f.write_str("auto"),
            Draft::Off => f.write_str("off"),
            Draft::Tokens(n) => n.fmt(f),
        }
    }
}

impl TryFrom<String> for Draft {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Draft> for String {
    fn from(draft: Draft) -> String {
        draft.to_string()
    }
}

/// A step of decoding: a token and what was drafted behind it, in one pass.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub drafted: usize,
    /// Those of them that came.
    pub accepted: usize,
    /// Of the pass.
    pub time: Duration,
}

/// What an answer's steps came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Drafts {
    pub steps: usize,
    #[serde(rename = "drafted_tokens")]
    pub drafted: usize,
    #[serde(rename = "accepted_tokens")]
    pub accepted: usize,
}

impl Drafts {
    pub fn add(&mut self, step: Step) {
        self.steps += 1;
        self.drafted += step.drafted;
        self.accepted += step.accepted;
    }

    /// `None` where nothing was drafted.
    pub fn tokens_a_step(&self) -> Option<f64> {
        let tokens = self.steps + self.accepted;
        (self.drafted > 0).then(|| tokens as f64 / self.steps.max(1) as f64)
    }
}

/// Drafts, and learns from what comes of it.
#[derive(Debug, Default)]
pub struct Drafter {
    draft: Draft,
    pace: Pace,
    /// How much of the text spoke for the last draft.
    matched: usize,
    /// What would have been drafted behind the last token, where nothing was: whether it came costs
    /// nothing to know.
    expected: Option<(usize, u32)>,
}

impl Drafter {
    pub fn new(draft: Draft) -> Self {
        Drafter {
            draft,
            ..Drafter::default()
        }
    }

    /// At most `most` tokens that may follow `next`, which follows `tokens`.
    pub fn draft(&mut self, tokens: &[u32], next: u32, most: usize) -> Vec<u32> {
        if let Some((matched, expected)) = self.expected.take() {
            self.pace.learn(matched, expected == next);
        }
        let wanted = match self.draft {
            Draft::Off => return Vec::new(),
            Draft::Auto => MOST,
            Draft::Tokens(n) => n,
        };
        let Some(mut found) = look_up(tokens, next, wanted.min(most.max(1))) else {
            return Vec::new();
        };
        let len = match self.draft {
            Draft::Auto => self.pace.length(found.matched, most.min(MOST)),
            _ => most,
        };
        if len == 0 {
            let expected = found.tokens.first();
            self.expected = expected.map(|token| (found.matched, *token));
        }
        self.matched = found.matched;
        found.tokens.truncate(len);
        found.tokens
    }

    /// What came of the last draft, or of a step without.
    pub fn learn(&mut self, step: Step) {
        self.pace.took(1 + step.drafted, step.time);
        (0..step.accepted).for_each(|_| self.pace.learn(self.matched, true));
        if step.accepted < step.drafted {
            self.pace.learn(self.matched, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Tokens a step over an answer `answer` behind `text`, where a pass of `n` rows takes
    /// `1 + slope · (n − 1)` ms; and how much faster it was than one by one.
    fn run(drafter: &mut Drafter, text: &[u32], answer: &[u32], slope: f64) -> (Drafts, f64) {
        let mut tokens = text.to_vec();
        let (mut drafts, mut time, mut at) = (Drafts::default(), 0.0, 0);
        while at + 1 < answer.len() {
            let draft = drafter.draft(&tokens, answer[at], answer.len() - at - 2);
            let came = draft.iter().zip(&answer[at + 1..]);
            let accepted = came.take_while(|(a, b)| a == b).count();
            let ms = 1.0 + slope * draft.len() as f64;
            let step = Step {
                drafted: draft.len(),
                accepted,
                time: MS.mul_f64(ms),
            };
            drafter.learn(step);
            drafts.add(step);
            time += ms;
            tokens.extend(&answer[at..at + 1 + accepted]);
            at += 1 + accepted;
        }
        (drafts, (answer.len() - 1) as f64 / time)
    }

    fn noise(n: usize, kinds: u32, seed: u32) -> Vec<u32> {
        let mut x = seed;
        let mut next = || {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (x >> 16) % kinds
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn a_quotation_is_drafted_and_noise_is_not() {
        let text = noise(3000, 500, 1);
        let mut drafter = Drafter::new(Draft::Auto);
        let (drafts, gain) = run(&mut drafter, &text, &text[500..1000], 0.12);
        assert!(gain > 3.0, "{gain} {drafts:?}");
        // Pairs come again by chance, and what follows them is another thing each time.
        let (drafts, gain) = run(&mut drafter, &text, &noise(2000, 20, 7), 0.12);
        assert!(gain > 0.97, "{gain} {drafts:?}");
        let (drafts, gain) = run(&mut drafter, &text, &text[1500..2000], 0.12);
        assert!(gain > 2.5, "{gain} {drafts:?}");
    }

    #[test]
    fn where_rows_cost_as_much_as_steps_nothing_is_drafted_for_long() {
        let text = noise(3000, 500, 1);
        let mut drafter = Drafter::new(Draft::Auto);
        run(&mut drafter, &text, &text[500..1000], 1.1);
        let (drafts, gain) = run(&mut drafter, &text, &text[1000..2000], 1.1);
        assert!(gain > 0.97, "{gain} {drafts:?}");
        // The machine is another now: it is tried again.
        run(&mut drafter, &text, &text[1000..2900], 0.1);
        let (drafts, gain) = run(&mut drafter, &text, &text[1000..2000], 0.1);
        assert!(gain > 2.5, "{gain} {drafts:?}");
    }

    #[test]
    fn a_fixed_number_is_drafted_wherever_anything_is_found() {
        let mut drafter = Drafter::new(Draft::Tokens(3));
        let text = [1, 2, 3, 4, 5, 6, 1];
        assert_eq!(drafter.draft(&text, 2, 9), [3, 4, 5]);
        assert_eq!(drafter.draft(&text, 2, 2), [3, 4]);
        assert!(drafter.draft(&text, 2, 0).is_empty());
        assert!(drafter.draft(&text, 9, 9).is_empty());
        let mut off = Drafter::new(Draft::Off);
        assert!(off.draft(&text, 2, 9).is_empty());
    }

    #[test]
    fn settings_read_as_they_are_written() {
        for draft in [Draft::Auto, Draft::Off, Draft::Tokens(7)] {
            assert_eq!(draft.to_string().parse(), Ok(draft));
        }
        assert_eq!("0".parse(), Ok(Draft::Off));
        for wrong in ["", "65", "-1", "many"] {
            assert!(wrong.parse::<Draft>().unwrap_err().contains("auto, off"));
        }
    }
}
