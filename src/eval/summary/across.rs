//! What one mode is worth against another: the same variant, over the same questions.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::grouping::{differences, mean, of, of_all, scores, variants};
use super::stats::bootstrap;
use crate::eval::record::Record;

/// A variant in two modes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Across {
    /// The modes.
    pub a: String,
    pub b: String,
    pub policy: String,
    pub budget: String,
    /// Means over the questions that both were asked.
    pub score_a: f64,
    pub score_b: f64,
    /// Of `a` minus `b`.
    pub difference: f64,
    pub low: f64,
    pub high: f64,
    /// Texts.
    pub n: usize,
}

/// Each of `modes` against the one behind it.
pub fn across(records: &[&Record], modes: &[&str]) -> Vec<Across> {
    let beside = modes
        .windows(2)
        .map(|pair| pairs(records, pair[0], pair[1]));
    beside.flatten().collect()
}

fn pairs(records: &[&Record], a: &str, b: &str) -> Vec<Across> {
    let of_mode = |mode: &str| -> Vec<&Record> {
        let every: Vec<&Record> = records.iter().filter(|r| r.mode == mode).copied().collect();
        of_all(&every).0
    };
    let asked = |records: &[&Record]| -> HashSet<(String, usize)> {
        let keys = records.iter().map(|r| (r.sample.clone(), r.question));
        keys.collect()
    };
    let (mut own, mut other) = (of_mode(a), of_mode(b));
    let both: HashSet<_> = asked(&own).intersection(&asked(&other)).cloned().collect();
    let kept = |r: &&Record| both.contains(&(r.sample.clone(), r.question));
    own.retain(kept);
    other.retain(kept);
    let row = |(policy, budget): (&str, &str)| {
        let own = scores(&of(&own, policy, Some(budget)));
        let other = scores(&of(&other, policy, Some(budget)));
        let found = bootstrap(&differences(&own, &other));
        let average = |scores: &BTreeMap<&str, f64>| mean(scores.values().copied()).unwrap_or(0.0);
        Across {
            a: a.into(),
            b: b.into(),
            policy: String::from(policy),
            budget: String::from(budget),
            score_a: average(&own),
            score_b: average(&other),
            difference: found.mean,
            low: found.low,
            high: found.high,
            n: own.len(),
        }
    };
    variants(&own).into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::record::NO_ROOM;

    #[test]
    fn only_questions_of_both_modes_count() {
        let record = |mode: &str, sample: &str, question, policy: &str, score, stop: &str| Record {
            mode: mode.into(),
            sample: sample.into(),
            question,
            policy: policy.into(),
            budget: "64".into(),
            score,
            stop: stop.into(),
            ..Record::default()
        };
        let mut records = Vec::new();
        for (policy, by) in [("full", 0.0), ("snapkv", 0.5)] {
            records.extend([
                record("turns", "a", 0, policy, 1.0, "eos"),
                record("turns", "a", 1, policy, 0.5, "eos"),
                record("turns", "b", 0, policy, 1.0, "eos"),
                record("turns-bare", "a", 0, policy, 1.0 - by, "eos"),
                // Not asked under one policy: of no account for any.
                record(
                    "turns-bare",
                    "a",
                    1,
                    policy,
                    0.0,
                    if by > 0.0 { NO_ROOM } else { "eos" },
                ),
                record("turns-bare", "b", 0, policy, 0.75 - by, "eos"),
            ]);
        }
        let records: Vec<&Record> = records.iter().collect();
        let found = across(&records, &["turns", "turns-bare"]);
        assert_eq!(found.len(), 2);
        let snapkv = &found[1];
        assert_eq!(
            (snapkv.a.as_str(), snapkv.b.as_str()),
            ("turns", "turns-bare")
        );
        assert_eq!((snapkv.policy.as_str(), snapkv.n), ("snapkv", 2));
        assert_eq!((snapkv.score_a, snapkv.score_b), (1.0, 0.375));
        // 0.5 and 0.75.
        assert_eq!(snapkv.difference, 0.625);
        assert_eq!((snapkv.low, snapkv.high), (0.5, 0.75));
        assert_eq!(found[0].difference, 0.125);
        assert_eq!(across(&records, &["turns"]), []);
    }
}
