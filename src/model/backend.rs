//! What the decoder asks of a device. Rows are activations, one per token.

use std::sync::Arc;

use super::{
    description::Description,
    device_memory::DeviceMemory,
    error::Result,
    gguf::GgufFile,
    logits::Largest,
    projected,
    rope::Rope,
    shape::{AttentionShape, ConvolutionShape, DeltaShape, ExpertsShape, Gate, Span},
    weights::Scaled,
};
use crate::cache::{LayerState, QueryWindow, Store};
use crate::policy::{Choice, Needs, Observed, Round};

/// Where a run of rows stands.
#[derive(Debug)]
pub struct Place<'a, A> {
    /// Position of the first row.
    pub start: usize,
    pub rows: usize,
    /// Angles of the whole prefill, and the first row's place in them; `None` where the layer is
    /// not told positions.
    pub angles: Option<&'a A>,
    pub offset: usize,
}

/// The norms of each head's queries, keys and values.
#[derive(Debug)]
pub struct HeadNorms<'a, V> {
    /// `[head_dim]` each; keys and values go without where there is none.
    pub q: &'a V,
    pub k: Option<&'a V>,
    pub v: Option<&'a V>,
    pub epsilon: f32,
}

/// The small weights of the gated delta rule.
#[derive(Debug)]
pub struct DeltaGates<N> {
    /// `[value_heads]`: a head forgets by `exp(a · softplus(rate + bias))`.
    pub a: N,
    pub bias: N,
    /// Of each head's output, `[head_dim]`.
    pub norm: N,
    pub epsilon: f32,
}

/// Part of a layer's state, as a backend keeps it.
pub type NumbersOf<B> = <<B as Backend>::Layer as Store>::Numbers;

/// Arithmetic on one device, and how it keeps a layer's entries. `Rows` is `[rows, width]`.
pub trait Backend: Send + Sync + Sized + 'static {
    type Rows: 'static;
    /// A weight matrix `[outputs, inputs]` with its bias, if any; may be several stacked.
    type Linear: Send + Sync;
    type Vector: Send + Sync;
    /// The token table; nothing where the output head serves.
    type Embedding: Send + Sync;
    /// The experts of one layer's MLP.
    type Experts: Send + Sync;
    /// Cosines and sines of a run of positions, where the kernels want them.
    type Angles;
    /// One layer's keys and values.
    type Layer: Store;

    fn device(&self) -> String;
    fn kv_dtype(&self) -> (&'static str, usize);
    /// Whether weights are dequantised to f32.
    fn exact(&self) -> bool;
    /// What is taken of the device's memory, where that is known; whose it is says who asks.
    fn device_memory(&self) -> Option<DeviceMemory> {
        None
    }
    /// Gives back what nobody uses, and counts anew the most that is taken.
    fn forget_device_peak(&self) -> Result<()> {
        Ok(())
    }
    /// Everything but the weights that decides on keys and values.
    fn precision(&self) -> String;

    /// Whether a row comes to the same, bit for bit, whatever rows are computed beside it, and some
    /// rows take less time together than one after the other.
    fn rows_are_alike(&self) -> bool {
        false
    }

    /// Rows of a prefill's block: enough to keep the device busy, few enough to stop soon.
    fn block_rows(&self, d: &Description) -> usize;

    /// Stacks the named weights (`NAME.weight`, with `NAME.bias` where the file has it, and
    /// `NAME.scale` as `scaled` says), each with its outputs, over the same `inputs`.
    fn load_linear(
        &self,
        file: &GgufFile,
        parts: &[(String, usize)],
        inputs: usize,
        scaled: Scaled,
    ) -> Result<Self::Linear>;
    /// The matrix `index` of those that the tensor `NAME.weight` has one below the other, each
    /// `[outputs, inputs]`.
    fn load_slice(
        &self,
        file: &GgufFile,
        name: &str,
        shape: [usize; 3],
        index: usize,
    ) -> Result<Self::Linear>;
    fn load_vector(&self, file: &GgufFile, name: &str, len: usize) -> Result<Self::Vector>;
    fn vector(&self, host: Vec<f32>) -> Result<Self::Vector>;
    fn load_embedding(&self, file: &Arc<GgufFile>, d: &Description) -> Result<Self::Embedding>;
    /// The experts of the block `blk.N`, of its tensors `ffn_gate_inp`, `ffn_gate_exps` … in the file.
    fn load_experts(
        &self,
        file: &GgufFile,
        block: &str,
        e: &ExpertsShape,
        hidden: usize,
    ) -> Result<Self::Experts>;
    /// Loads items `0..n`, in parallel where that helps.
    fn load_all<T: Send>(
        &self,
        n: usize,
        load: &(dyn Fn(usize) -> Result<T> + Sync),
    ) -> Result<Vec<T>>;

    /// Rows of the token table, for tokens that are read behind `before` others, or decoded; `head`
    /// is it in a tied model.
    fn embed(
        &self,
        table: &Self::Embedding,
        head: &Self::Linear,
        tokens: &[u32],
        before: Option<usize>,
    ) -> Result<Self::Rows>;
    /// Numbers of the host as rows, as many as `like` has.
    fn rows(&self, host: Vec<f32>, like: &Self::Rows) -> Result<Self::Rows>;
    fn rms_norm(&self, x: &Self::Rows, weight: &Self::Vector, epsilon: f32) -> Result<Self::Rows>;
    fn linear(&self, weight: &Self::Linear, x: &Self::Rows) -> Result<Self::Rows>;
    /// `gate(g) × u` of `[rows, g | u]`.
    fn gated(&self, gate: Gate, gate_up: &Self::Rows) -> Result<Self::Rows>;
    /// `x · σ(gate)`, where `gate` is one number per row or as wide as `x`.
    fn opened(&self, x: Self::Rows, gate: &Self::Rows) -> Result<Self::Rows>;
    /// What the experts that each row of `by` chooses say to that of `x`, weighed and added up.
    fn experts(
        &self,
        experts: &Self::Experts,
        x: &Self::Rows,
        by: &Self::Rows,
    ) -> Result<Self::Rows>;
    fn add(&self, x: Self::Rows, y: Self::Rows) -> Result<Self::Rows>;
    fn scale(&self, x: Self::Rows, by: f32) -> Result<Self::Rows>;
    /// Number by number.
    fn times(&self, x: Self::Rows, y: &Self::Rows) -> Result<Self::Rows>;
    /// Of each row, seen as runs of `every` numbers, those `len` of each run that stand behind `from`.
    fn columns(&self, x: &Self::Rows, every: usize, from: usize, len: usize) -> Result<Self::Rows>;
    /// `[x | y]`
    fn beside(&self, x: &Self::Rows, y: &Self::Rows) -> Result<Self::Rows>;

    /// Numbers of a layer's state, or of the small weights that work on it.
    fn numbers(&self, host: Vec<f32>) -> Result<NumbersOf<Self>>;
    /// The convolution `weight`, `[taps, channels]`, of the rows behind those in `before`,
    /// `[taps − 1, channels]`, through SiLU where `silu` says so; and what the next rows stand behind,
    /// in the memory of `spare` where that can be.
    fn convolve(
        &self,
        c: &ConvolutionShape,
        x: &Self::Rows,
        weight: &NumbersOf<Self>,
        silu: bool,
        before: &NumbersOf<Self>,
        spare: Option<NumbersOf<Self>>,
    ) -> Result<(Self::Rows, NumbersOf<Self>)>;
    /// The gated delta rule: rows `[queries | keys | values]`, whose queries and keys are brought to
    /// length 1 first, with the logits `[beta | rate]` of each head, go through the matrices `before`,
    /// `[value_heads, head_dim, head_dim]`. What queries read, over √head_dim, and the matrices then.
    fn delta(
        &self,
        d: &DeltaShape,
        qkv: &Self::Rows,
        rates: &Self::Rows,
        gates: &DeltaGates<NumbersOf<Self>>,
        before: &NumbersOf<Self>,
        spare: Option<NumbersOf<Self>>,
    ) -> Result<(Self::Rows, NumbersOf<Self>)>;
    /// Each head of `x` normed, times SiLU of `gate`.
    fn gated_norm(
        &self,
        d: &DeltaShape,
        x: Self::Rows,
        gate: &Self::Rows,
        gates: &DeltaGates<NumbersOf<Self>>,
    ) -> Result<Self::Rows>;

    /// Angles of `rows` positions from `start` on; made once per step and kind of layer.
    fn angles(&self, rope: &Rope, start: usize, rows: usize) -> Result<Self::Angles>;
    /// Splits `[rows, q | k | v]`, norms each where there are norms, applies RoPE, appends keys and
    /// values to the layer (which may have no KV heads) and the queries to its window, and returns the
    /// queries `[rows, heads × head_dim]`.
    fn append(
        &self,
        a: &AttentionShape,
        norms: Option<HeadNorms<'_, Self::Vector>>,
        state: &mut LayerState<Self::Layer>,
        qkv: Self::Rows,
        place: Place<'_, Self::Angles>,
    ) -> Result<Self::Rows>;
    /// Attention of the rows `q` over what `span` says they see of the layer,
    /// `[rows, heads × head_dim]`. `sinks`, where the layer has them, `[heads]`, are scores that take
    /// part in each head's softmax and have no value.
    fn attend(
        &self,
        a: &AttentionShape,
        layer: &Self::Layer,
        q: &Self::Rows,
        span: Span,
        sinks: Option<&Self::Vector>,
    ) -> Result<Self::Rows>;
    /// The same of `rows` rows that are decoded, each as if none had come behind it: bit for bit what it
    /// would have been alone. Rows that are read may be rounded otherwise.
    fn attend_one_by_one(
        &self,
        a: &AttentionShape,
        layer: &Self::Layer,
        mut q: Self::Rows,
        rows: usize,
        span: Span,
        sinks: Option<&Self::Vector>,
    ) -> Result<Self::Rows> {
        if rows == 1 {
            return self.attend(a, layer, &q, span, sinks);
        }
        for row in 0..rows {
            let span = Span {
                behind: span.behind + rows - 1 - row,
                ..span
            };
            let one = self.attend(a, layer, &self.slice(&q, row, 1)?, span, sinks)?;
            self.put(&mut q, row, &one)?;
        }
        Ok(q)
    }
    /// What the observation window thinks of the layer's entries, and what else is needed, per KV
    /// head; `sinks` as in [`Backend::attend`].
    fn observe(
        &self,
        a: &AttentionShape,
        state: &LayerState<Self::Layer>,
        needs: Needs,
        sinks: Option<&Self::Vector>,
    ) -> Result<Vec<Observed>>;
    /// Fills in [`Observed::projected`] of `heads`, which were observed with their values; `out` is the
    /// layer's output projection. Nothing of it outlasts the call.
    ///
    /// Here its matrix is what it makes of one input after the other, so that any form of weights will do: `heads ×
    /// head_dim` products of one row, and then `entries × heads × head_dim × hidden` multiplications on the
    /// host, in one thread. A backend with a kernel does better.
    fn project(
        &self,
        a: &AttentionShape,
        state: &LayerState<Self::Layer>,
        out: &Self::Linear,
        heads: &mut [Observed],
    ) -> Result<()> {
        let like = self.last_query(&state.window)?;
        let of_input = |input: Option<usize>| {
            let mut row = vec![0.0; a.widths().0];
            input.into_iter().for_each(|input| row[input] = 1.0);
            self.to_host(self.linear(out, &self.rows(row, &like)?)?)
        };
        let bias = of_input(None)?;
        let column = |input: usize| -> Result<Vec<f32>> {
            let output = of_input(Some(input))?;
            Ok(output.iter().zip(&bias).map(|(x, b)| x - b).collect())
        };
        for (h, head) in heads.iter_mut().enumerate() {
            head.projected = vec![0.0; head.len()];
            for query_head in h * a.group()..(h + 1) * a.group() {
                let inputs = query_head * a.head_dim..(query_head + 1) * a.head_dim;
                let columns = inputs.map(column).collect::<Result<Vec<_>>>()?;
                let lengths = projected::lengths(&columns, &head.values);
                for (sum, length) in head.projected.iter_mut().zip(lengths) {
                    *sum += length / a.group() as f32;
                }
            }
        }
        Ok(())
    }
    /// What `round` keeps, shown this layer, whose output projection is `out`, as its layer `index`:
    /// measured where the entries are, decided on the host unless a backend does better.
    fn select(
        &self,
        a: &AttentionShape,
        state: &LayerState<Self::Layer>,
        index: usize,
        round: &mut dyn Round,
        sinks: Option<&Self::Vector>,
        out: &Self::Linear,
    ) -> Result<Vec<Choice>> {
        let needs = round.needs();
        let mut observed = self.observe(a, state, needs.complete(), sinks)?;
        if needs.projected {
            self.project(a, state, out, &mut observed)?;
        }
        Ok(round.observe(index, observed))
    }
    /// The window's last query as one row.
    fn last_query(&self, window: &QueryWindow<<Self::Layer as Store>::Query>)
    -> Result<Self::Rows>;
    /// Without heads for a layer that keeps no entries.
    fn empty_layer(&self, a: Option<&AttentionShape>) -> Result<Self::Layer>;

    fn slice(&self, x: &Self::Rows, start: usize, rows: usize) -> Result<Self::Rows>;
    fn put(&self, x: &mut Self::Rows, start: usize, rows: &Self::Rows) -> Result<()>;
    /// The last `rows` rows.
    fn last(&self, x: Self::Rows, rows: usize) -> Result<Self::Rows>;
    fn to_host(&self, x: Self::Rows) -> Result<Vec<f32>>;
    /// The largest numbers of one row, where reading it is dear and finding them is not.
    fn largest(&self, _x: &Self::Rows) -> Result<Option<Largest>> {
        Ok(None)
    }
}
