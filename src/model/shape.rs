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
    /// They stand beside the layer's own MLP, not in its place, each with norms of its own.
    pub beside: bool,
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
        beside: false,
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

/// How a layer's values come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// As their weights give them.
    Plain,
    /// Brought to a root mean square of 1, each head's.
    Normed,
    /// Keys before their norm, normed so: there are no weights for values.
    NormedKeys,
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
    /// What comes of a head is multiplied by σ of numbers that its query's weights give as well,
    /// `[head_dim]` behind each head's query.
    pub gated: bool,
    pub values: Values,
    /// The earlier layer whose keys and values it sees: it has none itself, and no KV heads.
    pub source: Option<usize>,
}

impl AttentionShape {
    /// Of queries `[rows, heads × head_dim]`, those of KV head `head`, `[rows, group, head_dim]`.
    pub fn queries_of(&self, head: usize, queries: &[f32]) -> Vec<f32> {
        let width = self.group() * self.head_dim;
        let rows = queries.chunks_exact(self.heads * self.head_dim);
        let of_head = rows.flat_map(|row| &row[head * width..(head + 1) * width]);
        of_head.copied().collect()
    }

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

/// A convolution over the newest tokens, each channel by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvolutionShape {
    pub channels: usize,
    /// Tokens that it sees, the last one included.
    pub taps: usize,
}

impl ConvolutionShape {
    /// Numbers that are remembered: the channels of the tokens before.
    pub fn state(&self) -> usize {
        self.channels * self.taps.saturating_sub(1)
    }
}

/// The gated delta rule (arXiv 2412.06464): of each head a matrix that tokens write to and read
/// from, whatever the length of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaShape {
    /// Heads of queries and keys; value head `h` reads with head `h % key_heads`.
    pub key_heads: usize,
    pub value_heads: usize,
    /// Of queries, keys and values.
    pub head_dim: usize,
    /// Of the convolution before it.
    pub taps: usize,
}

impl DeltaShape {
    /// Width of a row of queries or keys, and of values.
    pub fn widths(&self) -> (usize, usize) {
        (
            self.key_heads * self.head_dim,
            self.value_heads * self.head_dim,
        )
    }

    /// Over queries, keys and values.
    pub fn convolution(&self) -> ConvolutionShape {
        let (keys, values) = self.widths();
        ConvolutionShape {
            channels: 2 * keys + values,
            taps: self.taps,
        }
    }

    /// Numbers of the matrices, `[value_heads, head_dim of keys, head_dim of values]`.
    pub fn state(&self) -> usize {
        self.value_heads * self.head_dim * self.head_dim
    }
}

/// How a layer lets tokens see each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mixer {
    Attention(AttentionShape),
    /// A short convolution between two gates (LFM2).
    Convolution(ConvolutionShape),
    Delta(DeltaShape),
}

/// One layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerShape {
    pub mixer: Mixer,
    /// Width of the MLP.
    pub feed_forward: usize,
    /// In place of one MLP, or beside it.
    pub experts: Option<ExpertsShape>,
}

impl LayerShape {
    /// `None` where it has a state in place of entries.
    pub fn attention(&self) -> Option<&AttentionShape> {
        match &self.mixer {
            Mixer::Attention(attention) => Some(attention),
            Mixer::Convolution(_) | Mixer::Delta(_) => None,
        }
    }

    pub fn attention_mut(&mut self) -> Option<&mut AttentionShape> {
        match &mut self.mixer {
            Mixer::Attention(attention) => Some(attention),
            Mixer::Convolution(_) | Mixer::Delta(_) => None,
        }
    }

    pub fn rotary_mut(&mut self) -> Option<&mut Rotary> {
        self.attention_mut()?.rotary.as_mut()
    }

    pub fn kv_heads(&self) -> usize {
        self.attention().map_or(0, |a| a.kv_heads)
    }

    /// The window that bounds its entries, where it has some.
    pub fn window(&self) -> Option<usize> {
        let attention = self.attention()?;
        attention.window.filter(|_| attention.source.is_none())
    }

    /// The earlier layer whose keys and values it sees in place of its own.
    pub fn source(&self) -> Option<usize> {
        self.attention()?.source
    }

    /// The parts of a state of fixed size, in numbers (f32): none where it has entries.
    pub fn state(&self) -> Vec<usize> {
        match &self.mixer {
            Mixer::Attention(_) => Vec::new(),
            Mixer::Convolution(c) => vec![c.state()],
            Mixer::Delta(d) => vec![d.convolution().state(), d.state()],
        }
    }

    /// Bytes of the state.
    pub fn state_bytes(&self) -> usize {
        self.state().iter().sum::<usize>() * size_of::<f32>()
    }

    /// Multiply–accumulates of a token in the mixer's matrices, for a stream `hidden` wide.
    pub fn mixer_macs(&self, hidden: usize) -> usize {
        match &self.mixer {
            Mixer::Attention(a) => {
                let (q, kv) = a.widths();
                hidden * (2 * q + 2 * kv + if a.gated { q } else { 0 })
            }
            Mixer::Convolution(c) => hidden * 4 * c.channels,
            Mixer::Delta(d) => {
                let (keys, values) = d.widths();
                hidden * (2 * keys + 3 * values) + 3 * d.state()
            }
        }
    }

    /// Width of all that a token goes through in the MLP.
    pub fn mlp_width(&self) -> usize {
        let routed = |e: ExpertsShape| {
            let own = if e.beside { self.feed_forward } else { 0 };
            e.used * e.feed_forward + e.shared.unwrap_or(own)
        };
        self.experts.map_or(self.feed_forward, routed)
    }

    /// Whether a policy bounds its entries. Those of a sliding window are bounded by the window, a
    /// state is as large as it is, and what another layer keeps is that layer's.
    pub fn grows(&self) -> bool {
        let grows = |a: &AttentionShape| a.window.is_none() && a.source.is_none();
        self.attention().is_some_and(grows)
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
