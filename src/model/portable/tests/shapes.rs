//! A shape to change.

use crate::model::shape::{AttentionShape, RopePairing, Rotary, Sections, Values};

pub fn plain() -> AttentionShape {
    AttentionShape {
        heads: 6,
        kv_heads: 3,
        head_dim: 8,
        rotary: Some(Rotary {
            dim: 8,
            base: 1e4,
            scale: 1.0,
            pairing: RopePairing::Interleaved,
            yarn: None,
            factors: None,
            magnitude: 1.0,
            sections: Sections::None,
        }),
        window: None,
        scale: 0.3,
        soft_cap: None,
        temperature: None,
        gated: false,
        values: Values::Plain,
        source: None,
    }
}
