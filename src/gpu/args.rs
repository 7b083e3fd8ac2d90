//! What kernels are told, laid out as `kernels/` declares it. Addresses are the device's.

use bytemuck::{Pod, Zeroable};

/// The arguments of one kernel.
pub trait Arguments: Pod {}

macro_rules! arguments {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Pod, Zeroable)]
        pub struct $name { $(pub $field: $type,)* }
        impl Arguments for $name {}
    };
}

arguments!(Poke {
    pairs: u64,
    count: u32,
    pad: u32,
});
arguments!(RmsNorm {
    x: u64,
    weight: u64,
    out: u64,
    width: u32,
    epsilon: f32,
});
arguments!(Convert {
    x: u64,
    out: u64,
    by: u64,
    width: u32,
    pad: u32,
});
arguments!(Behind {
    x: u64,
    by: u64,
    scales: u64,
    bias: u64,
    width: u32,
    rows: u32,
});
arguments!(
    /// `out := x op y`; one number of `y` serves `each` of `x`.
    Elementwise { x: u64, y: u64, out: u64, count: u64, each: u32, op: u32, by: f32, pad: u32, }
);
arguments!(Gated {
    x: u64,
    out: u64,
    count: u64,
    width: u32,
    gate: u32,
});
arguments!(Columns {
    x: u64,
    out: u64,
    count: u64,
    width: u32,
    every: u32,
    from: u32,
    len: u32,
    to_width: u32,
    to: u32,
});
arguments!(CopyRows {
    x: u64,
    out: u64,
    count: u64,
});
arguments!(
    /// Stacked weights, of at most three types.
    Stack { data: [u64; 3], first: [u32; 3], format: [u32; 3], row_bytes: [u32; 3], parts: u32, }
);
arguments!(MatVec {
    w: Stack,
    x: u64,
    norm: u64,
    bias: u64,
    scales: u64,
    plus: u64,
    out: u64,
    inputs: u32,
    outputs: u32,
    rows: u32,
    each: u32,
    epsilon: f32,
    gate: u32,
});
arguments!(
    /// See `kernels/integers.inl`.
    Packed {
        w: Stack, x: u64, norm: u64, bias: u64, scales: u64, plus: u64, out: u64, inputs: u32, outputs: u32, rows: u32,
        stage: u32, epsilon: f32, gate: u32, gated: u32, job: [u32; 3],
    }
);
arguments!(Dequantise {
    data: u64,
    out: u64,
    row_bytes: u32,
    inputs: u32,
    count: u32,
    format: u32,
});
arguments!(Embed {
    w: Stack,
    tokens: u64,
    out: u64,
    width: u32,
    vocabulary: u32,
});
arguments!(
    /// A layer of the cache: see `kernels/cache.inl`.
    Layer { pages: u64, lens: u64, now: u64, newest: u32, position: u32, most: u32, kv_heads: u32, }
);
arguments!(Append {
    layer: Layer,
    qkv: u64,
    q: u64,
    ring: u64,
    frequencies: u64,
    q_norm: u64,
    k_norm: u64,
    v_norm: u64,
    ring_from: u32,
    ring_to: u32,
    heads: u32,
    dim: u32,
    rows: u32,
    turned: u32,
    interleaved: u32,
    whole: u32,
    epsilon: f32,
    magnitude: f32,
    scale: f32,
    growth: f32,
    every: u32,
    pad: u32,
});
arguments!(Gather {
    from: u64,
    index: u64,
    to: u64,
    count: u64,
    row_bytes: u32,
    pad: u32,
});
arguments!(Look {
    layer: Layer,
    q: u64,
    sinks: u64,
    heads: u32,
    dim: u32,
    rows: u32,
    behind: u32,
    window: u32,
    cap: f32,
});
arguments!(AttendFew {
    look: Look,
    parts: u64,
    out: u64,
    splits: u32,
    pad: u32,
});
arguments!(MergeFew {
    look: Look,
    parts: u64,
    out: u64,
    splits: u32,
    at_once: u32,
});
arguments!(AttendMany {
    look: Look,
    out: u64,
});
arguments!(Window {
    look: Look,
    parts: u64,
    totals: u64,
    mean: u64,
    peak: u64,
    longest: u32,
    halves: u32,
});
arguments!(
    /// See `kernels/largest.inl`.
    Largest { x: u64, parts: u64, odd: u64, out: u64, count: u32, share: u32, groups: u32, wanted: u32, }
);
arguments!(Product {
    weight: u64,
    x: u64,
    out: u64,
    rows: u32,
    inputs: u32,
    outputs: u32,
    stride: u32,
});
