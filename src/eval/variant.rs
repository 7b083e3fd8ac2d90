//! What is compared: policies at budgets, and when the question is known.

use std::str::FromStr;

use crate::engine::evict::Evictor;
use crate::engine::session::Eviction;
use crate::model::Network;
use crate::policy::budget::smallest;
use crate::policy::{Budget, Params, Preset};

/// When the cache is cut down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Behind the whole prompt: the question judges the text.
    #[default]
    With,
    /// Behind the text, before any question is known; questions and answers stay whole.
    Later,
    /// The same, judged by the text's repetition in place of its end (KVzip).
    LaterRepeated,
    /// A conversation: every turn selects from everything that was said.
    Turns,
    /// The same without an archive: what was evicted is gone.
    TurnsBare,
}

impl Mode {
    pub const ALL: [Mode; 5] = [
        Mode::With,
        Mode::Later,
        Mode::LaterRepeated,
        Mode::Turns,
        Mode::TurnsBare,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Mode::With => "with",
            Mode::Later => "later",
            Mode::LaterRepeated => "later-repeated",
            Mode::Turns => "turns",
            Mode::TurnsBare => "turns-bare",
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Mode, String> {
        let found = Mode::ALL.into_iter().find(|mode| mode.name() == text);
        let names = || Mode::ALL.map(Mode::name).join(", ");
        found.ok_or_else(|| format!("\"{}\" is none of {}", text.escape_debug(), names()))
    }
}

/// A policy at a budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variant(pub Eviction);

impl Variant {
    /// The full cache, then every policy at every budget; `full`, `random` and `streaming` always.
    pub fn all(policies: &[Preset], budgets: &[Budget], params: Params) -> Vec<Variant> {
        let mut order = vec![Preset::FULL];
        for &preset in policies.iter().chain(&[Preset::RANDOM, Preset::STREAMING]) {
            if !order.contains(&preset) {
                order.push(preset);
            }
        }
        let eviction = |preset, budget| {
            Variant(Eviction {
                preset,
                params,
                budget,
            })
        };
        let mut out = vec![eviction(Preset::FULL, Budget::Share(1.0))];
        for &budget in budgets {
            out.extend(order[1..].iter().map(|&preset| eviction(preset, budget)));
        }
        out
    }

    pub fn is_full(&self) -> bool {
        !self.0.preset.policy().layers.bounded()
    }

    pub fn policy(&self) -> &'static str {
        self.0.preset.name()
    }

    /// The budget as it was stated; `all` for the full cache.
    pub fn budget(&self) -> String {
        match self.is_full() {
            true => "all".into(),
            false => self.0.budget.to_string(),
        }
    }

    /// For a prompt of `position` tokens. A share of a short prompt that does not exceed the window is the
    /// smallest legal budget: the record says what it came to.
    pub fn evictor(&self, network: &dyn Network, position: usize) -> Evictor {
        let bytes = network.description().cache_bytes(network.kv_dtype().1);
        let mut evictor = self.0.evictor(bytes, position);
        if evictor.bounded() {
            evictor.budget = evictor.budget.max(smallest(evictor.params.window));
        }
        evictor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_yardsticks_are_always_there_and_once() {
        let budgets = [Budget::Tokens(64), Budget::Share(0.25)];
        let policies = [Preset::SNAPKV, Preset::STREAMING, Preset::FULL];
        let all = Variant::all(&policies, &budgets, Params::default());
        let names: Vec<String> = all
            .iter()
            .map(|v| format!("{}@{}", v.policy(), v.budget()))
            .collect();
        assert_eq!(
            names,
            [
                "full@all",
                "snapkv@64",
                "streaming@64",
                "random@64",
                "snapkv@25%",
                "streaming@25%",
                "random@25%"
            ]
        );
        assert_eq!("turns-bare".parse::<Mode>(), Ok(Mode::TurnsBare));
        assert!("x".parse::<Mode>().is_err());
    }
}
