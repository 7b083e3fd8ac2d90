//! All settings, their defaults and their ranges.

use super::error::ConfigError;
use super::values::{DeviceChoice, KvDtype, Size};
use crate::archive::Mode;
use crate::engine::drafting::Draft;
use crate::engine::event::PartialSampling;
use crate::model::source::ModelSpec;
use crate::policy::Preset;
use crate::policy::budget::{Budget, smallest};

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub model: ModelSpec,
    pub device: DeviceChoice,
    /// `None` = one per physical core.
    pub threads: Option<usize>,
    pub kv_dtype: KvDtype,
    /// Weights dequantised to f32 and an f32 cache.
    pub exact: bool,
    pub policy: Preset,
    pub budget: Budget,
    /// Observation window `w`, tokens.
    pub window: usize,
    /// Pooling kernel `k`, odd.
    pub kernel: usize,
    /// Safeguard `α`, 0–1.
    pub alpha: f64,
    /// Entries per head a layer may exceed its budget by while decoding.
    pub slack: usize,
    /// Where everything that was read is kept, so that it need not be read again.
    pub archive: Mode,
    /// Most bytes of all archives together.
    pub archive_limit: Size,
    /// How answers are drafted from the text.
    pub draft: Draft,
    /// System prompt; `None` = the model's own.
    pub system: Option<String>,
    /// What is said of it; the model's file and our defaults say the rest.
    pub sampling: PartialSampling,
    /// Theme by name; `None` = chosen from the terminal's background.
    pub theme: Option<String>,
    pub mouse: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            model: ModelSpec::default(),
            device: DeviceChoice::Auto,
            threads: None,
            kv_dtype: KvDtype::Auto,
            exact: false,
            policy: Preset::default(),
            budget: Budget::default(),
            window: 32,
            kernel: 7,
            alpha: 0.2,
            slack: 128,
            archive: Mode::default(),
            archive_limit: Size(4 << 30),
            draft: Draft::default(),
            system: None,
            sampling: PartialSampling::default(),
            theme: None,
            mouse: true,
        }
    }
}

/// More than any machine has processors for; each takes a stack.
const MOST_THREADS: usize = 1024;

/// No text has more tokens: a position is 32 bits.
const MOST_TOKENS: usize = u32::MAX as usize;

impl Settings {
    /// Whether every value is in its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let fail = |message: String| Err(ConfigError::Range(message));
        let budget = match self.budget {
            Budget::Tokens(budget) => budget,
            Budget::Share(_) | Budget::Bytes(_) => 0,
        };
        for (option, tokens) in [
            ("--budget", budget),
            ("--window", self.window),
            ("--kernel", self.kernel),
            ("--slack", self.slack),
        ] {
            if tokens > MOST_TOKENS {
                return fail(format!("{option} {tokens} must be at most {MOST_TOKENS}"));
            }
        }
        if self.window == 0 {
            return fail("--window must be at least 1".into());
        }
        if let Budget::Tokens(budget) = self.budget
            && budget <= self.window
            && self.policy != Preset::FULL
        {
            return fail(format!(
                "--budget {budget} leaves nothing beside the observation window of {} tokens, which \
                 is always kept; the smallest legal budget is {}",
                self.window,
                smallest(self.window)
            ));
        }
        if let Some(threads) = self.threads
            && threads > MOST_THREADS
        {
            return fail(format!(
                "--threads {threads} must be between 0 (chosen for this machine) and {MOST_THREADS}"
            ));
        }
        if self.kernel.is_multiple_of(2) {
            return fail(format!(
                "--kernel {} must be odd, so that pooling is centred (the default is 7)",
                self.kernel
            ));
        }
        if !(0.0..=1.0).contains(&self.alpha) {
            return fail(format!("--alpha {} must be between 0 and 1", self.alpha));
        }
        let sampling = &self.sampling.in_force();
        if !(sampling.temperature >= 0.0 && sampling.temperature.is_finite()) {
            return fail(format!(
                "--temperature {} must be 0 (greedy) or more",
                sampling.temperature
            ));
        }
        if !(sampling.top_p > 0.0 && sampling.top_p <= 1.0) {
            return fail(format!(
                "--top-p {} must be over 0 and at most 1",
                sampling.top_p
            ));
        }
        if !(0.0..=1.0).contains(&sampling.min_p) {
            return fail(format!(
                "--min-p {} must be between 0 and 1",
                sampling.min_p
            ));
        }
        if !(sampling.repeat_penalty > 0.0 && sampling.repeat_penalty.is_finite()) {
            return fail(format!(
                "--repeat-penalty {} must be over 0 (1 is off)",
                sampling.repeat_penalty
            ));
        }
        if sampling.max_tokens == 0 {
            return fail("--max-tokens must be at least 1".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_within_the_window_names_the_smallest_legal_one() {
        let mut settings = Settings {
            budget: Budget::Tokens(32),
            ..Settings::default()
        };
        let message = settings.check().unwrap_err().to_string();
        assert!(message.contains("smallest legal budget is 33"), "{message}");
        settings.budget = Budget::Tokens(33);
        settings.check().unwrap();
    }

    #[test]
    fn more_tokens_than_any_text_has_are_refused() {
        let (most, beyond) = (MOST_TOKENS, MOST_TOKENS + 2);
        let mut all = [(); 4].map(|()| Settings::default());
        all[0].budget = Budget::Tokens(beyond);
        all[1].window = beyond;
        all[2].kernel = beyond;
        all[3].slack = beyond;
        let options = ["--budget", "--window", "--kernel", "--slack"];
        for (settings, option) in all.iter().zip(options) {
            let message = settings.check().unwrap_err().to_string();
            let says = format!("{option} {beyond} must be at most {most}");
            assert!(message.contains(&says), "{message}");
        }
        // A size may come to more entries: then it evicts nothing.
        let settings = Settings {
            budget: Budget::Bytes(1 << 60),
            kernel: most,
            slack: most,
            ..Settings::default()
        };
        settings.check().unwrap();
    }
}
