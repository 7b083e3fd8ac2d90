//! What a round of eviction knows of a KV head's entries.

/// What a score reads besides the window's mean attention and the positions, which every round
/// has: measuring costs time, and keys and values a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// [`Observed::peak`].
    pub peak: bool,
    /// [`Observed::keys`].
    pub keys: bool,
    /// [`Observed::values`].
    pub values: bool,
    /// [`Observed::queries`].
    pub queries: bool,
    /// [`Observed::projected`], and with it the values.
    pub projected: bool,
}

impl Needs {
    /// Nothing more than every round has.
    pub const NONE: Needs = Needs {
        peak: false,
        keys: false,
        values: false,
        queries: false,
        projected: false,
    };

    /// What either needs.
    pub fn or(self, other: Needs) -> Needs {
        Needs {
            peak: self.peak || other.peak,
            keys: self.keys || other.keys,
            values: self.values || other.values,
            queries: self.queries || other.queries,
            projected: self.projected || other.projected,
        }
    }

    /// With what has to be measured for what is asked for.
    pub fn complete(self) -> Needs {
        Needs {
            values: self.values || self.projected,
            ..self
        }
    }
}

/// What the observation window thinks of one KV head's entries (steps 1–3 of Ada-SnapKV): softmax
/// weights over the head's entries in position order, the window's own included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeadScores {
    /// Mean over the window's rows, then over the group's query heads, `[len]`.
    pub mean: Vec<f32>,
    /// Maximum over the window's rows and the group's query heads, `[len]`.
    pub peak: Vec<f32>,
}

/// One KV head's entries in position order, the observation window's own at the end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    pub scores: HeadScores,
    /// Original positions, `[len]`.
    pub positions: Vec<u32>,
    /// Keys after RoPE, `[len, head_dim]`; empty unless a score [`Needs`] them.
    pub keys: Vec<f32>,
    /// Values, `[len, head_dim]`; empty unless a score [`Needs`] them.
    pub values: Vec<f32>,
    /// How long each value is behind the output projection, `‖W v‖₁`, averaged over the query heads that
    /// share it (each has columns of `W` of its own), `[len]`; empty unless a score [`Needs`] it. Gates between
    /// attention and projection, and norms behind it, are left out.
    pub projected: Vec<f32>,
    /// The window's queries after RoPE, times what their products with keys are multiplied by, oldest
    /// first, `[window, group, head_dim]`; empty unless a score [`Needs`] them.
    pub queries: Vec<f32>,
    /// Query heads that share the entries.
    pub group: usize,
    pub head_dim: usize,
}

impl Observed {
    /// Entries that the window did not score count as worthless.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// The first `evictable` entries' mean attention.
    pub fn mean(&self, evictable: usize) -> Vec<f32> {
        resized(&self.scores.mean, evictable)
    }

    /// The first `evictable` entries' strongest attention.
    pub fn peak(&self, evictable: usize) -> Vec<f32> {
        resized(&self.scores.peak, evictable)
    }
}

/// Entries that the window did not score count as worthless.
fn resized(scores: &[f32], len: usize) -> Vec<f32> {
    let mut scores = scores[..len.min(scores.len())].to_vec();
    scores.resize(len, 0.0);
    scores
}
