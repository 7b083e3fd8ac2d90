//! Records by text and by variant.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::eval::record::Record;

/// Task and set of the rows over all sets; no task of a data file is called so.
pub const ALL: &str = "all";

/// Values in the order in which they first came.
pub fn distinct<'r, T: PartialEq>(values: impl Iterator<Item = T> + 'r) -> Vec<T> {
    let mut out = Vec::new();
    for value in values {
        if !out.contains(&value) {
            out.push(value);
        }
    }
    out
}

/// Each text's mean score over its questions, by the text's name.
pub fn scores<'r>(records: &[&'r Record]) -> BTreeMap<&'r str, f64> {
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
pub fn differences(a: &BTreeMap<&str, f64>, b: &BTreeMap<&str, f64>) -> Vec<f64> {
    let both = a.iter().filter_map(|(text, a)| Some(a - b.get(text)?));
    both.collect()
}

pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / n as f64)
}

/// Policy and budget.
pub type Named<'r> = (&'r str, &'r str);

/// Who is held against whom: every variant against the full cache, and against the first policy at its
/// budget.
pub fn opponents<'r>(variants: &[Named<'r>]) -> Vec<(Named<'r>, Named<'r>)> {
    let full = variants.iter().find(|(policy, _)| *policy == "full");
    let bounded = || variants.iter().filter(|(policy, _)| *policy != "full");
    let mut out = Vec::new();
    for &own in bounded() {
        let first = bounded().find(|(_, budget)| *budget == own.1);
        let first = first.filter(|first| **first != own);
        out.extend(full.into_iter().chain(first).map(|&other| (own, other)));
    }
    out
}

/// Answers to the questions that were put to every variant, and one record of each other question.
pub fn of_all<'r>(records: &[&'r Record]) -> (Vec<&'r Record>, Vec<&'r Record>) {
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

pub fn values(scores: &BTreeMap<&str, f64>) -> Vec<f64> {
    scores.values().copied().collect()
}

pub fn variants<'r>(records: &[&'r Record]) -> Vec<Named<'r>> {
    distinct(
        records
            .iter()
            .map(|r| (r.policy.as_str(), r.budget.as_str())),
    )
}

pub fn of<'r>(records: &[&'r Record], policy: &str, budget: Option<&str>) -> Vec<&'r Record> {
    let fits = |r: &&&Record| r.policy == policy && budget.is_none_or(|budget| r.budget == budget);
    records.iter().filter(fits).copied().collect()
}
