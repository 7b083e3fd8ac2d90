//! What following texts of one's own comes to: means with intervals over passages, quantiles over steps.

use serde::Serialize;

use super::grouping::{ALL, distinct, mean, opponents, variants};
use super::stats::{Estimate, bootstrap};
use crate::eval::record::{Followed, Record};

/// A text's passages of a length under a variant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TextRow {
    pub dataset: String,
    pub policy: String,
    pub budget: String,
    /// Tokens of its passages; nothing where they differ.
    pub length: Option<usize>,
    /// Passages, and steps of all of them.
    pub n: usize,
    pub steps: usize,
    /// KL to the full cache, nats: the mean over passages with its interval, and of all steps the median
    /// and the 99th percentile.
    pub kl_mean: f64,
    pub low: f64,
    pub high: f64,
    pub kl_median: f64,
    pub kl_p99: f64,
    /// Share of the steps at which the likeliest token is the full cache's.
    pub top1: f64,
    /// Of the tokens that follow.
    pub perplexity: f64,
    /// The step before which half of the passages differ: a passage that never does counts as all its
    /// steps.
    pub first_divergence: f64,
    /// As of a single text: attention retained, the L1 loss, its bound, and that as a share of its maximum.
    pub retained: f64,
    pub l1: f64,
    pub bound: f64,
    pub lost: f64,
    pub kept_share: f64,
    pub bytes: u64,
}

/// Mean differences over the same passages of all texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TextPair {
    /// Policy and budget: `snapkv@128`.
    pub a: String,
    pub b: String,
    /// Of `a`'s KL minus `b`'s, nats.
    pub kl: f64,
    pub kl_low: f64,
    pub kl_high: f64,
    /// Of `a`'s mean −ln p minus `b`'s, nats: the logarithm of what its perplexity is multiplied by.
    pub surprise: f64,
    pub surprise_low: f64,
    pub surprise_high: f64,
    pub n: usize,
}

/// A record with what it followed.
type Passage<'r> = (&'r Record, &'r Followed);

/// The rows of each text, and of all where there are several.
pub fn rows(records: &[&Record]) -> Vec<TextRow> {
    let sets = distinct(records.iter().map(|r| r.dataset.as_str()));
    let mut out = Vec::new();
    for set in &sets {
        let of_set = records.iter().filter(|r| r.dataset == *set);
        add(&mut out, set, &of_set.copied().collect::<Vec<_>>());
    }
    if sets.len() > 1 {
        add(&mut out, ALL, records);
    }
    out
}

fn add(out: &mut Vec<TextRow>, dataset: &str, records: &[&Record]) {
    for variant in variants(records) {
        let own = passages(records, variant);
        let kls: Vec<f64> = own.iter().map(|(_, f)| average(&f.kl)).collect();
        let Estimate {
            mean: kl_mean,
            low,
            high,
        } = bootstrap(&kls);
        let mut steps = steps(&own, |f| &f.kl);
        steps.sort_by(f64::total_cmp);
        let mut first: Vec<f64> = own
            .iter()
            .map(|(_, f)| f.first_divergence() as f64)
            .collect();
        first.sort_by(f64::total_cmp);
        let lengths = distinct(own.iter().map(|(r, _)| r.length));
        let of = |value: fn(&Passage) -> f64| mean(own.iter().map(value)).unwrap_or(0.0);
        out.push(TextRow {
            dataset: dataset.into(),
            policy: variant.0.into(),
            budget: variant.1.into(),
            length: lengths
                .first()
                .copied()
                .flatten()
                .filter(|_| lengths.len() == 1),
            n: own.len(),
            steps: steps.len(),
            kl_mean,
            low,
            high,
            kl_median: quantile(&steps, 0.5),
            kl_p99: quantile(&steps, 0.99),
            top1: of(|(_, f)| f.agreement()),
            perplexity: mean(surprises(&own).into_iter()).unwrap_or(0.0).exp(),
            first_divergence: quantile(&first, 0.5),
            retained: of(|(_, f)| f.retained),
            l1: of(|(_, f)| f.l1),
            bound: of(|(_, f)| f.bound),
            lost: of(|(_, f)| f.lost),
            kept_share: of(|(r, _)| r.kept_share),
            bytes: of(|(r, _)| r.bytes as f64) as u64,
        });
    }
}

/// Every variant against the full cache, and against the first policy at its budget.
pub fn pairs(records: &[&Record]) -> Vec<TextPair> {
    let mut out = Vec::new();
    for (a, b) in opponents(&variants(records)) {
        let (own, other) = (passages(records, a), passages(records, b));
        let both: Vec<(&Followed, &Followed)> = own
            .iter()
            .filter_map(|(r, f)| {
                let same = other.iter().find(|(o, _)| o.sample == r.sample)?;
                Some((*f, same.1))
            })
            .collect();
        let of = |value: fn(&Followed) -> f64| {
            let differences = both.iter().map(|(a, b)| value(a) - value(b));
            bootstrap(&differences.collect::<Vec<_>>())
        };
        let (kl, surprise) = (of(|f| average(&f.kl)), of(|f| average(&f.surprise)));
        out.push(TextPair {
            a: format!("{}@{}", a.0, a.1),
            b: format!("{}@{}", b.0, b.1),
            kl: kl.mean,
            kl_low: kl.low,
            kl_high: kl.high,
            surprise: surprise.mean,
            surprise_low: surprise.low,
            surprise_high: surprise.high,
            n: both.len(),
        });
    }
    out
}

fn passages<'r>(records: &[&'r Record], (policy, budget): (&str, &str)) -> Vec<Passage<'r>> {
    let own = records
        .iter()
        .filter(|r| r.policy == policy && r.budget == budget);
    own.filter_map(|r| Some((*r, r.followed.as_ref()?)))
        .collect()
}

fn surprises(own: &[Passage]) -> Vec<f64> {
    steps(own, |f| &f.surprise)
}

/// A figure at every step of all passages.
fn steps(own: &[Passage], of: fn(&Followed) -> &Vec<f32>) -> Vec<f64> {
    let all = own.iter().flat_map(|(_, followed)| of(followed));
    all.map(|&value| f64::from(value)).collect()
}

fn average(values: &[f32]) -> f64 {
    mean(values.iter().map(|&value| f64::from(value))).unwrap_or(0.0)
}

/// The value at this share of sorted ones: the nearest rank, so that it is one of them.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(
        sample: &str,
        policy: &str,
        kl: &[f32],
        surprise: &[f32],
        differs: &[usize],
    ) -> Record {
        Record {
            sample: sample.into(),
            dataset: sample.split('/').next().unwrap_or_default().into(),
            length: Some(100),
            policy: policy.into(),
            budget: if policy == "full" { "all" } else { "64" }.into(),
            bytes: 10,
            kept_share: 0.5,
            followed: Some(Followed {
                kl: kl.to_vec(),
                surprise: surprise.to_vec(),
                differs: differs.to_vec(),
                retained: 0.75,
                l1: 0.25,
                bound: 2.0,
                lost: 0.125,
            }),
            ..Record::default()
        }
    }

    /// Figures worked out by hand.
    #[test]
    fn means_are_over_passages_and_quantiles_over_steps() {
        let records = [
            record("a/0", "full", &[0.0, 0.0], &[1.0, 2.0], &[]),
            record("a/0", "snapkv", &[0.5, 1.5], &[2.0, 2.0], &[1]),
            record("a/0", "random", &[2.0, 4.0], &[3.0, 5.0], &[0, 1]),
            record("a/1", "full", &[0.0, 0.0], &[0.0, 1.0], &[]),
            record("a/1", "snapkv", &[0.0, 0.25], &[0.0, 1.0], &[]),
            record("a/1", "random", &[1.0, 1.0], &[1.0, 1.0], &[0]),
            record("b/0", "full", &[0.0], &[3.0], &[]),
            record("b/0", "snapkv", &[3.0], &[3.0], &[0]),
            record("b/0", "random", &[3.0], &[4.0], &[]),
        ];
        let records: Vec<&Record> = records.iter().collect();
        let rows = rows(&records);
        assert_eq!(rows.len(), 9);
        let row = |set: &str, policy: &str| {
            let found = rows.iter().find(|r| r.dataset == set && r.policy == policy);
            found.unwrap()
        };
        let a = row("a", "snapkv");
        assert_eq!((a.n, a.steps, a.length), (2, 4, Some(100)));
        // Of 1 and 0.125; of 0, 0.25, 0.5 and 1.5.
        assert_eq!((a.kl_mean, a.kl_median, a.kl_p99), (0.5625, 0.25, 1.5));
        assert!(a.low <= a.kl_mean && a.kl_mean <= a.high);
        assert_eq!((a.top1, a.first_divergence), (0.75, 1.0));
        assert!((a.perplexity - (5.0f64 / 4.0).exp()).abs() < 1e-12);
        assert_eq!(
            (a.retained, a.l1, a.bound, a.lost),
            (0.75, 0.25, 2.0, 0.125)
        );
        assert_eq!((a.kept_share, a.bytes), (0.5, 10));
        // Three passages count alike, however many steps they have.
        let all = row(ALL, "snapkv");
        assert_eq!((all.n, all.steps, all.kl_mean), (3, 5, 4.125 / 3.0));
        assert_eq!(row("a", "full").kl_mean, 0.0);
        let pairs = pairs(&records);
        let pair = |a: &str, b: &str| {
            let found = pairs.iter().find(|p| p.a == a && p.b == b);
            found.unwrap()
        };
        assert_eq!(pairs.len(), 3);
        let full = pair("snapkv@64", "full@all");
        assert_eq!((full.kl, full.n), (4.125 / 3.0, 3));
        // 2 − 1.5, 0 and 0.
        assert!((full.surprise - 0.5 / 3.0).abs() < 1e-12);
        // 3 − 1, 1 − 0.125, 0.
        assert_eq!(pair("random@64", "snapkv@64").kl, 2.875 / 3.0);
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&hundred, 0.5), 50.0);
        assert_eq!(quantile(&hundred, 0.99), 99.0);
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
