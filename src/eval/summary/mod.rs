//! What answers come to: a table of means with intervals, and differences over the same texts.

mod markdown;
mod stats;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::record::Record;
pub use markdown::markdown;
use stats::{Estimate, bootstrap};

/// Task and set of the rows over all sets; no task of a data file is called so.
const ALL: &str = "all";

/// Means of a set under a variant; intervals are over texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub task: String,
    pub dataset: String,
    pub mode: String,
    pub policy: String,
    pub budget: String,
    /// Tokens that its texts were made for; nothing where they differ.
    pub length: Option<usize>,
    /// Texts.
    pub n: usize,
    pub score: f64,
    pub low: f64,
    pub high: f64,
    /// Mean difference to the full cache over the same texts.
    pub vs_full: Option<f64>,
    pub kl_mean: Option<f64>,
    pub kept_share: f64,
    pub bytes: u64,
    /// Questions that not every variant was asked, since a conversation was full: they count for none.
    pub left_out: usize,
}

/// A mean difference over the same texts of all sets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    pub mode: String,
    /// Policy and budget: `snapkv@128`.
    pub a: String,
    pub b: String,
    /// Of `a` minus `b`.
    pub difference: f64,
    pub low: f64,
    pub high: f64,
    pub n: usize,
}

/// The whole of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    pub rows: Vec<Row>,
    pub paired: Vec<Pair>,
}

/// Values in the order in which they first came.
fn distinct<'r, T: PartialEq>(values: impl Iterator<Item = T> + 'r) -> Vec<T> {
    let mut out = Vec::new();
    for value in values {
        if !out.contains(&value) {
            out.push(value);
        }
    }
    out
}

/// Each text's mean score over its questions, by the text's name.
fn scores<'r>(records: &[&'r Record]) -> BTreeMap<&'r str, f64> {
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for record in records {
        let (sum, n) = sums.entry(&record.sample).or_default();
        (*sum, *n) = (*sum + record.score, *n + 1.0);
    }
    sums.into_iter()
        .map(|(text, (sum, n))| (text, sum / n))
        .collect()
}

/// Differences over the texts that both have.
fn differences(a: &BTreeMap<&str, f64>, b: &BTreeMap<&str, f64>) -> Vec<f64> {
    let both = a.iter().filter_map(|(text, a)| Some(a - b.get(text)?));
    both.collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / n as f64)
}

impl Summary {
    /// Of answers whose order is that of the table.
    pub fn of(records: &[Record]) -> Summary {
        let mut summary = Summary::default();
        for mode in distinct(records.iter().map(|r| r.mode.as_str())) {
            let of_mode: Vec<&Record> = records.iter().filter(|r| r.mode == mode).collect();
            let sets = distinct(
                of_mode
                    .iter()
                    .map(|r| (r.task.as_str(), r.dataset.as_str())),
            );
            for (task, dataset) in &sets {
                let of = |r: &&&Record| r.task == *task && r.dataset == *dataset;
                let of_set: Vec<&Record> = of_mode.iter().filter(of).copied().collect();
                summary.add(task, dataset, &of_set);
            }
            if sets.len() > 1 {
                summary.add(ALL, ALL, &of_mode);
            }
            summary.pair(mode, &of_mode);
        }
        summary
    }

    /// In the order of the table.
    pub fn modes(&self) -> Vec<&str> {
        distinct(self.rows.iter().map(|row| row.mode.as_str()))
    }

    /// A mode's rows over all sets; those of its only set where it has one.
    pub fn widest(&self, mode: &str) -> Vec<&Row> {
        let of_mode = self.rows.iter().filter(|row| row.mode == mode);
        let sets = distinct(of_mode.clone().map(|row| (&row.task, &row.dataset)));
        let alone = sets.len() == 1;
        of_mode.filter(|row| alone || row.task == ALL).collect()
    }

    fn add(&mut self, task: &str, dataset: &str, every: &[&Record]) {
        let (records, left_out) = of_all(every);
        let full = scores(&of(&records, "full", None));
        for (policy, budget) in variants(every) {
            let own = of(&records, policy, Some(budget));
            let scores = scores(&own);
            let Estimate {
                mean: score,
                low,
                high,
            } = bootstrap(&values(&scores));
            let lengths = distinct(own.iter().map(|r| r.length));
            self.rows.push(Row {
                task: task.into(),
                dataset: dataset.into(),
                mode: every.first().map_or(String::new(), |r| r.mode.clone()),
                policy: policy.into(),
                budget: budget.into(),
                length: lengths
                    .first()
                    .copied()
                    .flatten()
                    .filter(|_| lengths.len() == 1),
                n: scores.len(),
                score,
                low,
                high,
                vs_full: mean(differences(&scores, &full).into_iter()).filter(|_| policy != "full"),
                kl_mean: mean(own.iter().filter_map(|r| r.kl)),
                kept_share: mean(own.iter().map(|r| r.kept_share)).unwrap_or(0.0),
                bytes: mean(own.iter().map(|r| r.bytes as f64)).unwrap_or(0.0) as u64,
                left_out: left_out.len(),
            });
        }
    }

    /// Every variant against the full cache, and against the first policy at its budget.
    fn pair(&mut self, mode: &str, every: &[&Record]) {
        let (records, _) = of_all(every);
        let variants = variants(every);
        let full = variants.iter().find(|(policy, _)| *policy == "full");
        for &(policy, budget) in variants.iter().filter(|(policy, _)| *policy != "full") {
            let others = variants
                .iter()
                .filter(|(p, b)| *p != "full" && *b == budget);
            let first = others
                .into_iter()
                .next()
                .filter(|(first, _)| *first != policy);
            for &(other, at) in full.into_iter().chain(first) {
                let of = |policy, budget| scores(&of(&records, policy, Some(budget)));
                let differences = differences(&of(policy, budget), &of(other, at));
                let Estimate { mean, low, high } = bootstrap(&differences);
                self.paired.push(Pair {
                    mode: mode.into(),
                    a: format!("{policy}@{budget}"),
                    b: format!("{other}@{at}"),
                    difference: mean,
                    low,
                    high,
                    n: differences.len(),
                });
            }
        }
    }
}

/// Answers to the questions that were put to every variant, and one record of each other question.
fn of_all<'r>(records: &[&'r Record]) -> (Vec<&'r Record>, Vec<&'r Record>) {
    let variants = variants(records).len();
    let mut asked: HashMap<(&str, usize), usize> = HashMap::new();
    for record in records {
        *asked.entry((&record.sample, record.question)).or_default() += usize::from(record.asked());
    }
    let of_all = |record: &&&Record| {
        let asked = asked.get(&(record.sample.as_str(), record.question));
        asked.is_some_and(|&n| n == variants)
    };
    let (kept, mut others): (Vec<&Record>, Vec<&Record>) = records.iter().partition(of_all);
    let mut known = HashSet::new();
    others.retain(|record| known.insert((record.sample.as_str(), record.question)));
    (kept, others)
}

fn values(scores: &BTreeMap<&str, f64>) -> Vec<f64> {
    scores.values().copied().collect()
}

fn variants<'r>(records: &[&'r Record]) -> Vec<(&'r str, &'r str)> {
    distinct(
        records
            .iter()
            .map(|r| (r.policy.as_str(), r.budget.as_str())),
    )
}

fn of<'r>(records: &[&'r Record], policy: &str, budget: Option<&str>) -> Vec<&'r Record> {
    let fits = |r: &&&Record| r.policy == policy && budget.is_none_or(|budget| r.budget == budget);
    records.iter().filter(fits).copied().collect()
}
