//! A policy with a budget, as people state them.

use super::evict::Evictor;
use super::turn_error::TurnError;
use crate::model::Network;
use crate::policy::budget::smallest;
use crate::policy::{Budget, Params, Preset};

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
        let bytes = network.description().token_bytes(network.kv_dtype().1);
        let evictor = self.evictor(bytes, position);
        let Evictor { params, budget, .. } = evictor;
        if evictor.bounded() && budget <= params.window {
            let least = smallest(params.window);
            return Err(match self.budget {
                Budget::Bytes(size) => TurnError::Size {
                    size: crate::human::bytes(size),
                    entries: self.budget.entries_per_head(position, bytes),
                    window: params.window,
                    slack: params.slack,
                    smallest: crate::human::bytes(
                        least.saturating_add(params.slack).saturating_mul(bytes) as u64,
                    ),
                },
                _ => TurnError::Budget {
                    budget,
                    window: params.window,
                    smallest: least,
                },
            });
        }
        Ok(evictor)
    }

    /// For a prompt of `position` tokens, each of which takes `bytes` in the layers that grow; its
    /// budget may be too small.
    pub fn evictor(self, bytes: usize, position: usize) -> Evictor {
        let entries = self.budget.entries_per_head(position, bytes);
        // A size bounds all layers that grow, slack included.
        let budget = match self.budget {
            Budget::Bytes(_) => entries.saturating_sub(self.params.slack),
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(budget: &str, position: usize) -> usize {
        let eviction = Eviction {
            preset: Preset::ADA_SNAPKV,
            params: Params::default(),
            budget: budget.parse().unwrap(),
        };
        eviction.evictor(1024, position).budget
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
}
