//! What the kernels can do.

use crate::model::description::Description;

/// Why a model takes the portable path; `None` where the executor runs it.
pub fn covers(d: &Description) -> Option<&'static str> {
    let sixteen = |n: usize| n.is_multiple_of(16);
    if !sixteen(d.hidden) {
        return Some("its width is no multiple of 16");
    }
    if !sixteen(d.per_layer) {
        return Some("what its layers are told is no multiple of 16 wide");
    }
    for layer in &d.layers {
        let Some(a) = layer.attention() else {
            return Some("it has layers with a state");
        };
        if layer.experts.is_some() {
            return Some("it has experts");
        }
        if !sixteen(a.head_dim) || a.head_dim > 256 {
            return Some("its heads are larger than 256, or no multiple of 16");
        }
        // As many as a group of threads looks at together.
        if a.kv_heads > 128 {
            return Some("it has more than 128 heads of keys and values");
        }
        if !sixteen(layer.feed_forward) {
            return Some("its MLP is no multiple of 16 wide");
        }
    }
    None
}
