//! When a layer is done whose keys and values others see.

use super::shape::LayerShape;

/// The layers that nothing more is asked of once `layer` is through: it, where no later layer sees its
/// entries, and before it those that it was the last one to see.
pub fn done_behind(layers: &[LayerShape], layer: usize) -> impl Iterator<Item = usize> {
    let last = move |of: usize| {
        let sees = |later: &LayerShape| later.source() == Some(of);
        layers
            .iter()
            .rposition(sees)
            .map_or(of, |last| last.max(of))
    };
    // What is measured of a layer's own queries is measured while all they saw is there.
    let own = (last(layer) == layer).then_some(layer);
    own.into_iter()
        .chain((0..layer).filter(move |&of| last(of) == layer))
}
