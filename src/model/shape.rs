//! What one layer is like. Layers of a model need not be alike.

/// Which dimensions of a head RoPE turns together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopePairing {
    /// `(0, 1), (2, 3), …`: llama files, whose q/k rows are permuted for it.
    Interleaved,
    /// `(0, d/2), (1, d/2 + 1), …`: qwen2 files.
    Halves,
}

/// What the gate of an MLP does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// `x · σ(x)`
    Silu,
    /// GELU by its tanh form.
    Gelu,
    /// gpt-oss's: `g · σ(1.702 g) × (u + 1)`, with `g` held below 7 and `u` within ±7.
    Clamped,
}

/// How a router's logits become the weights of experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gating {
    /// Shares of a softmax over all experts.
    Softmax,
    /// Shares of a softmax over the chosen ones.
    SoftmaxOfChosen,
    /// Each logit's σ.
    Sigmoid,
}

/// An MLP of many, of which every token goes through a few.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpertsShape {
    pub count: usize,
    /// Chosen for a token.
    pub used: usize,
    /// Width of each.
    pub feed_forward: usize,
    pub gate: Gate,
    pub gating: Gating,
    /// The weights of the chosen ones are made to add up to 1.
    pub renormalise: bool,
    /// What their weights are multiplied by.
    pub scale: f32,
    /// Products of an expert are multiplied by its number in `NAME.scale`, where the file has it.
    pub scaled: bool,
    /// Width of the MLP that all tokens go through beside them.
    pub shared: Option<usize>,
}

impl ExpertsShape {
    /// Most families': shares of a softmax, made to add up to 1. Counts are the file's.
    pub const RENORMALISED: ExpertsShape = ExpertsShape {
        count: 0,
        used: 0,
        feed_forward: 0,
        gate: Gate::Silu,
        gating: Gating::Softmax,
        renormalise: true,
        scale: 1.0,
        scaled: true,
        shared: None,
    };
}

/// Rotary position embedding of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotary {
    /// Dimensions of a head that are turned, from the first on; even, at most the head's.
    pub dim: usize,
    pub base: f32,
    /// Positions are divided by this.
    pub scale: f32,
    pub pairing: RopePairing,
    /// Only slow dimensions are scaled (arXiv 2309.00071).
    pub yarn: Option<Yarn>,
    /// The tensor by whose numbers frequencies are divided, where the file has it.
    pub factors: Option<&'static str>,
    /// What turned queries and keys are multiplied by.
    pub magnitude: f32,
    pub sections: Sections,
}

/// How far YaRN's scaling reaches: dimensions that turn more than `fast` times within the context
/// that was trained for keep their frequency, those below `slow` times are scaled, between them both
/// are mixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yarn {
    pub context: usize,
    pub fast: f32,
    pub slow: f32,
    /// Its share, 0–1.
    pub share: f32,
}

/// Dimensions told the place in time, height and width, and a fourth that text is not told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sections {
    None,
    InTurn([usize; 4]),
    Interleaved([usize; 4]),
}

/// Queries grow with their position: times `1 + scale · ln(1 + ⌊position / every⌋)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Temperature {
    pub scale: f32,
    pub every: usize,
}

impl Temperature {
    pub fn at(&self, position: usize) -> f32 {
        1.0 + self.scale * ((position / self.every.max(1)) as f32 + 1.0).ln()
    }
}

/// Grouped-query attention.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionShape {
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    /// `None` = positions are not told to the layer.
    pub rotary: Option<Rotary>,
    /// A sliding window: the newest entries that a query sees, its own included.
    pub window: Option<usize>,
    /// What products of queries and keys are multiplied by.
    pub scale: f32,
    /// Scores are squashed to `c · tanh(score / c)`.
    pub soft_cap: Option<f32>,
    pub temperature: Option<Temperature>,
}

impl AttentionShape {
    /// Query heads per KV head.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Width of a row of queries, and of keys or values.
    pub fn widths(&self) -> (usize, usize) {
        (self.heads * self.head_dim, self.kv_heads * self.head_dim)
    }

    /// Bytes of one entry (a key and a value of one head) for elements of `element` bytes.
    pub fn entry_bytes(&self, element: usize) -> usize {
        2 * self.head_dim * element
    }
}

/// How a layer lets tokens see each other. One kind so far; recurrent states are to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mixer {
    Attention(AttentionShape),
}

/// One layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerShape {
    pub mixer: Mixer,
    /// Width of the MLP.
    pub feed_forward: usize,
    /// In place of one MLP.
    pub experts: Option<ExpertsShape>,
}

impl LayerShape {
    pub fn attention(&self) -> &AttentionShape {
        let Mixer::Attention(attention) = &self.mixer;
        attention
    }

    pub fn attention_mut(&mut self) -> &mut AttentionShape {
        let Mixer::Attention(attention) = &mut self.mixer;
        attention
    }

    /// Width of all that a token goes through in the MLP.
    pub fn mlp_width(&self) -> usize {
        let routed = |e: ExpertsShape| e.used * e.feed_forward + e.shared.unwrap_or(0);
        self.experts.map_or(self.feed_forward, routed)
    }

    /// Whether a policy bounds its entries. Those of a sliding window are bounded by the window.
    pub fn grows(&self) -> bool {
        self.attention().window.is_none()
    }
}

/// Numbers that a model's stream is multiplied by; 1 where nothing is said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scales {
    /// Rows of the token table.
    pub embedding: f32,
    /// What a block adds to the stream.
    pub residual: f32,
    pub logits: f32,
    /// Logits are squashed to `c · tanh(logit / c)`.
    pub logit_cap: Option<f32>,
}

impl Default for Scales {
    fn default() -> Self {
        Scales {
            embedding: 1.0,
            residual: 1.0,
            logits: 1.0,
            logit_cap: None,
        }
    }
}

/// Which entries the query rows of an attention see: row `r` of `rows` sees, of each KV head, the
/// first `len − behind − (rows − 1 − r)`, and of those the newest `window`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Entries of every head that lie behind the last row's own.
    pub behind: usize,
    /// `None` = all of them.
    pub window: Option<usize>,
}
