//! What answers come to: a table of means with intervals, and differences over the same texts.

mod across;
mod bars;
mod grouping;
mod markdown;
mod stats;
#[cfg(test)]
mod tests;
mod texts;

use serde::Serialize;

use super::record::Record;
pub use across::Across;
pub use bars::bars;
use grouping::{ALL, differences, distinct, mean, of, of_all, opponents, scores, values, variants};
pub use markdown::markdown;
use stats::{Estimate, bootstrap};
pub use texts::{TextPair, TextRow};

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
    /// The modes beside each other, where there are several.
    pub across_modes: Vec<Across>,
    /// How texts of one's own go on.
    pub texts: Vec<TextRow>,
    pub paired_texts: Vec<TextPair>,
}

impl Summary {
    /// Of answers whose order is that of the table.
    pub fn of(records: &[Record]) -> Summary {
        let mut summary = Summary::default();
        let (texts, records): (Vec<&Record>, Vec<&Record>) =
            records.iter().partition(|r| r.followed.is_some());
        summary.texts = texts::rows(&texts);
        summary.paired_texts = texts::pairs(&texts);
        let modes = distinct(records.iter().map(|r| r.mode.as_str()));
        summary.across_modes = across::across(&records, &modes);
        for mode in modes {
            let of_mode = records.iter().filter(|r| r.mode == mode);
            let of_mode: Vec<&Record> = of_mode.copied().collect();
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

    /// The rows over all texts; those of the only one where there is one.
    pub fn widest_texts(&self) -> Vec<&TextRow> {
        let alone = distinct(self.texts.iter().map(|row| &row.dataset)).len() == 1;
        let rows = self.texts.iter();
        rows.filter(|row| alone || row.dataset == ALL).collect()
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
        for ((policy, budget), (other, at)) in opponents(&variants(every)) {
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
