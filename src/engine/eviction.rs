//! A policy with a budget, as people state them.

use super::evict::Evictor;
use super::turn_error::TurnError;
use crate::human;
use crate::model::{CacheBytes, Network};
use crate::policy::budget::smallest;
use crate::policy::{Budget, LayerBudget, Params, Preset};

/// The policy as people state it; the budget is resolved at each turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eviction {
    pub preset: Preset,
    pub params: Params,
    pub budget: Budget,
}

impl Eviction {
    /// With the budget that it comes to for a prompt of `position` tokens.
    ///
    /// # Errors
    /// [`TurnError::Budget`] or [`TurnError::Size`] where that leaves nothing beside the window.
    pub fn resolved(self, network: &dyn Network, position: usize) -> Result<Evictor, TurnError> {
        let bytes = network.description().cache_bytes(network.kv_dtype().1);
        let evictor = self.evictor(bytes, position);
        let Evictor { params, budget, .. } = evictor;
        if evictor.bounded() && budget <= params.window {
            let smallest = smallest(params.window);
            return Err(match self.budget {
                Budget::Bytes(size) => {
                    let entries = smallest.saturating_add(self.beside(bytes));
                    let growing = entries.saturating_mul(bytes.token);
                    TurnError::Size {
                        size: human::bytes(size),
                        window: params.window,
                        slack: params.slack,
                        beside: match bytes.fixed {
                            0 => String::new(),
                            fixed => format!(
                                ", beside {} of sliding windows and states",
                                human::bytes(fixed as u64)
                            ),
                        },
                        smallest: human::bytes(growing.saturating_add(bytes.fixed) as u64),
                    }
                }
                _ => TurnError::Budget {
                    budget,
                    window: params.window,
                    smallest,
                },
            });
        }
        Ok(evictor)
    }

    /// For a prompt of `position` tokens, in a cache that takes `bytes`; its budget may be too small.
    pub fn evictor(self, bytes: CacheBytes, position: usize) -> Evictor {
        let CacheBytes { token, fixed, .. } = bytes;
        let entries = self.budget.entries_per_head(position, token, fixed);
        let budget = match self.budget {
            Budget::Bytes(_) => entries.saturating_sub(self.beside(bytes)),
            // Of a short prompt even a large share is less than the window, and no reason to refuse it.
            Budget::Share(_) if position > 0 => entries.max(smallest(self.params.window)),
            Budget::Share(_) | Budget::Tokens(_) => entries,
        };
        Evictor {
            preset: self.preset,
            params: self.params,
            budget,
        }
    }

    /// Entries per head that a size has to have room for beside the budget: the slack, and what a
    /// pyramid keeps over its mean, as the steps between its layers are rounded down.
    fn beside(self, bytes: CacheBytes) -> usize {
        let rounding = match self.preset.policy().layers {
            LayerBudget::Pyramid => bytes.growing / 2,
            LayerBudget::Flat | LayerBudget::Unbounded => 0,
        };
        self.params.slack.saturating_add(rounding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(preset: Preset, budget: &str) -> Eviction {
        Eviction {
            preset,
            params: Params::default(),
            budget: budget.parse().unwrap(),
        }
    }

    const BYTES: CacheBytes = CacheBytes {
        token: 1024,
        fixed: 0,
        growing: 30,
    };

    fn budget(budget: &str, position: usize) -> usize {
        of(Preset::ADA_SNAPKV, budget)
            .evictor(BYTES, position)
            .budget
    }

    /// Else every first question of a few words would be refused.
    #[test]
    fn a_share_of_a_short_prompt_is_the_window_and_one() {
        assert_eq!(budget("25%", 4000), 1000);
        assert_eq!(budget("25%", 31), 33);
        assert_eq!(budget("100%", 20), 33);
        assert_eq!(budget("16", 4000), 16);
        // Of nothing it is not known yet.
        assert_eq!(budget("25%", 0), 0);
    }

    #[test]
    fn a_size_has_room_for_what_is_decoded_before_the_next_eviction() {
        assert_eq!(budget("1MiB", 4000), 1024 - 128);
    }

    #[test]
    fn a_size_is_that_of_the_whole_cache() {
        let windows = CacheBytes {
            fixed: 512 << 10,
            ..BYTES
        };
        let in_windows = of(Preset::ADA_SNAPKV, "1MiB").evictor(windows, 4000);
        assert_eq!(in_windows.budget, 512 - 128);
        // The layers of a pyramid together, too, whose steps are whole entries.
        for (layers, seen) in [(30, 4000), (30, 500), (7, 4000), (2, 4000), (1, 4000)] {
            let bytes = CacheBytes {
                growing: layers,
                ..BYTES
            };
            let evictor = of(Preset::PYRAMIDKV, "1MiB").evictor(bytes, seen);
            let Params { window, slack, .. } = evictor.params;
            let base = evictor.budget - window;
            let of_layer = |l| LayerBudget::Pyramid.base(base, seen - window, l, layers);
            let kept: usize = (0..layers).map(|l| of_layer(l) + window + slack).sum();
            assert!(
                kept <= 1024 * layers,
                "{layers} layers, {seen} tokens: {kept}"
            );
        }
    }
}
