//! Means with intervals.

use crate::random::Random;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 2000;
/// The same every time, so that the same answers make the same table.
const SEED: u64 = 15;

/// A mean and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

/// The mean of `values` and the middle 95 % of the means of as many that are drawn from them again and
/// again (percentile bootstrap). Of one value nothing is known but itself.
pub fn bootstrap(values: &[f64]) -> Estimate {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let mut random = Random::new(SEED);
    let mut draw = || {
        let drawn = (0..values.len()).map(|_| values[random.below(values.len())]);
        drawn.sum::<f64>() / n
    };
    let mut means: Vec<f64> = (0..RESAMPLES).map(|_| draw()).collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((RESAMPLES - 1) as f64 * share).round() as usize];
    Estimate {
        mean,
        low: at(0.025),
        high: at(0.975),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_normal_law_for_many_values() {
        let mut random = Random::new(4);
        let values: Vec<f64> = (0..400).map(|_| f64::from(random.normal())).collect();
        let found = bootstrap(&values);
        assert!(
            (found.mean - found.low - 1.96 / 20.0).abs() < 0.02,
            "{found:?}"
        );
        assert!(
            (found.high - found.mean - 1.96 / 20.0).abs() < 0.02,
            "{found:?}"
        );
        assert_eq!(found, bootstrap(&values));
        let one = bootstrap(&[0.5]);
        assert_eq!((one.mean, one.low, one.high), (0.5, 0.5, 0.5));
        assert_eq!(bootstrap(&[]).mean, 0.0);
    }
}
