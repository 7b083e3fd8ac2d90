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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::shape::{AttentionShape, Mixer, Values};

    fn layer(source: Option<usize>) -> LayerShape {
        let attention = AttentionShape {
            heads: 1,
            kv_heads: usize::from(source.is_none()),
            head_dim: 8,
            rotary: None,
            window: None,
            scale: 1.0,
            soft_cap: None,
            temperature: None,
            gated: false,
            values: Values::Plain,
            source,
        };
        LayerShape {
            mixer: Mixer::Attention(attention),
            feed_forward: 8,
            experts: None,
        }
    }

    #[test]
    fn a_layer_is_done_behind_the_last_that_sees_it() {
        let sources = [None, None, None, Some(1), Some(2), Some(1)];
        let layers: Vec<_> = sources.into_iter().map(layer).collect();
        let done = |l| done_behind(&layers, l).collect::<Vec<_>>();
        let behind: Vec<Vec<usize>> = (0..layers.len()).map(done).collect();
        let none = Vec::new();
        let wanted = [vec![0], none.clone(), none, vec![3], vec![4, 2], vec![5, 1]];
        assert_eq!(behind, wanted);
    }
}
