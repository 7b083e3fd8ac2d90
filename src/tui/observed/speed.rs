//! Tokens per second: now, on average, at best, over time.

use super::series::{Merge, Series};

/// A figure is taken over at least this many seconds and this many tokens, so that it holds still.
const SPAN: f64 = 0.25;
const TOKENS: f64 = 4.0;

/// How fast one kind of work goes.
#[derive(Clone, Debug)]
pub struct Rate {
    /// Tokens per second lately; stays after the work has ended.
    pub current: Option<f64>,
    pub best: Option<f64>,
    /// Over everything so far.
    tokens: f64,
    seconds: f64,
    pub series: Series,
    /// Work of the running turn, as last told and as last measured.
    told: (f64, f64),
    measured: (f64, f64),
    turn: u32,
}

impl Default for Rate {
    fn default() -> Self {
        Rate {
            current: None,
            best: None,
            tokens: 0.0,
            seconds: 0.0,
            series: Series::new(Merge::Mean),
            told: (0.0, 0.0),
            measured: (0.0, 0.0),
            turn: 0,
        }
    }
}

impl Rate {
    pub fn average(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.tokens / self.seconds)
    }

    /// In turn `turn`, `tokens` have been worked through in `seconds`; `at` on the app's clock.
    pub fn told(&mut self, turn: u32, tokens: f64, seconds: f64, at: f64) {
        let fresh = turn != self.turn || tokens < self.told.0 || seconds < self.told.1;
        if fresh {
            (self.turn, self.told, self.measured) = (turn, (0.0, 0.0), (0.0, 0.0));
        }
        self.tokens += tokens - self.told.0;
        self.seconds += seconds - self.told.1;
        self.told = (tokens, seconds);
        let (more, took) = (tokens - self.measured.0, seconds - self.measured.1);
        if more < TOKENS || took < SPAN {
            return;
        }
        let now = more / took;
        let first = self.measured == (0.0, 0.0);
        self.measured = self.told;
        self.current = Some(now);
        self.best = Some(self.best.map_or(now, |best| best.max(now)));
        self.series.push(at, now, 0.0, first);
    }

    /// The turn is over: work too short to be measured on its way counts as a whole.
    pub fn ended(&mut self, turn: u32, tokens: f64, seconds: f64, at: f64) {
        if tokens <= 0.0 || seconds <= 0.0 {
            return;
        }
        self.told(turn, tokens, seconds, at);
        if self.measured == (0.0, 0.0) {
            let now = tokens / seconds;
            self.current = Some(now);
            self.best = Some(self.best.map_or(now, |best| best.max(now)));
            self.series.push(at, now, 0.0, true);
        }
        (self.told, self.measured) = ((f64::MAX, f64::MAX), (0.0, 0.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_faster_and_faster_is_seen() {
        let mut rate = Rate::default();
        let mut seconds = 0.0;
        for i in 1..=100 {
            seconds += if i <= 50 { 0.1 } else { 0.02 };
            rate.told(1, f64::from(i), seconds, seconds);
        }
        rate.ended(1, 100.0, seconds, seconds);
        assert!((rate.current.unwrap() - 50.0).abs() < 1.0, "{rate:?}");
        assert!((rate.average().unwrap() - 100.0 / 6.0).abs() < 0.01);
        assert!(rate.best >= rate.current);
        // The next turn begins from nothing.
        rate.told(2, 1.0, 0.1, 7.0);
        assert!((rate.average().unwrap() - 101.0 / 6.1).abs() < 0.01);
    }

    #[test]
    fn a_short_turn_counts_as_a_whole() {
        let mut rate = Rate::default();
        rate.told(1, 2.0, 0.1, 0.1);
        assert_eq!(rate.current, None);
        rate.ended(1, 2.0, 0.1, 0.1);
        assert_eq!(rate.current, Some(20.0));
        assert_eq!(rate.average(), Some(20.0));
    }
}
