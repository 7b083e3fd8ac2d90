//! The paper's round: every layer by itself.

use super::{Choice, Extent, Needs, Observed, Params, Policy, Round, Terms, select};

/// A round over the layers of a cache: the allocator's own, or each layer by itself.
pub fn begin(policy: Policy, params: Params, extent: Extent) -> Box<dyn Round> {
    let own = policy.allocator.round(Terms {
        score: policy.score,
        layers: policy.layers,
        params,
        extent,
    });
    own.unwrap_or_else(|| {
        Box::new(LayerByLayer {
            policy,
            params,
            extent,
        })
    })
}

struct LayerByLayer {
    policy: Policy,
    params: Params,
    extent: Extent,
}

impl Round for LayerByLayer {
    fn needs(&self) -> Needs {
        self.policy.needs()
    }

    fn observe(&mut self, layer: usize, heads: Vec<Observed>) -> Vec<Choice> {
        let base = self.extent.base(self.policy.layers, &self.params, layer);
        let selection = select(&self.policy, &self.params, base, &heads);
        let choice = |selection| Choice { layer, selection };
        selection.map(choice).into_iter().collect()
    }
}
