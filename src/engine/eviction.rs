//! A policy with a budget, as people state them.

use super::evict::Evictor;
use super::turn_error::TurnError;
use crate::model::Network;
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
    /// [`TurnError::Budget`] where that leaves nothing beside the window.
    pub fn resolved(self, network: &dyn Network, position: usize) -> Result<Evictor, TurnError> {
        let bytes = network.description().token_bytes(network.kv_dtype().1);
        let evictor = self.evictor(bytes, position);
        let Evictor { params, budget, .. } = evictor;
        if evictor.bounded() && budget <= params.window {
            return Err(TurnError::Budget {
                budget,
                window: params.window,
                smallest: crate::policy::budget::smallest(params.window),
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
            _ => entries,
        };
        Evictor {
            preset: self.preset,
            params: self.params,
            budget,
        }
    }
}
