//! What the decoder asks of a device. Rows are activations, one per token.

use super::{decoder::Run, description::Description, error::Result, gguf::GgufFile};
use crate::cache::{Layer, LayerState, QueryWindow};
use crate::policy::HeadScores;

/// Arithmetic on one device. `Rows` is `[rows, width]`.
pub trait Backend: Send + Sync + Sized {
    type Rows;
    /// A weight matrix `[outputs, inputs]` with its bias, if any; may be several stacked.
    type Linear: Send + Sync;
    type Vector: Send + Sync;
    /// The token table; nothing where the output head serves.
    type Embedding: Send + Sync;

    fn device(&self) -> String;
    fn kv_dtype(&self) -> (&'static str, usize);

    /// Stacks the named weights (`NAME.weight`, with `NAME.bias` where the file has it), each with
    /// its outputs, over the same `inputs`.
    fn load_linear(
        &self,
        file: &GgufFile,
        parts: &[(String, usize)],
        inputs: usize,
    ) -> Result<Self::Linear>;
    fn load_vector(&self, file: &GgufFile, name: &str, len: usize) -> Result<Self::Vector>;
    fn load_embedding(
        &self,
        file: &std::sync::Arc<GgufFile>,
        d: &Description,
    ) -> Result<Self::Embedding>;
    /// Loads items `0..n`, in parallel where that helps.
    fn load_all<T: Send>(
        &self,
        n: usize,
        load: &(dyn Fn(usize) -> Result<T> + Sync),
    ) -> Result<Vec<T>>;

    /// Rows of the token table; `head` is it in a tied model.
    fn embed(
        &self,
        table: &Self::Embedding,
        head: &Self::Linear,
        tokens: &[u32],
    ) -> Result<Self::Rows>;
    fn rms_norm(&self, x: &Self::Rows, weight: &Self::Vector, epsilon: f32) -> Result<Self::Rows>;
    fn linear(&self, weight: &Self::Linear, x: &Self::Rows) -> Result<Self::Rows>;
    /// `silu(gate) × up` of `[rows, gate | up]`.
    fn swiglu(&self, gate_up: &Self::Rows) -> Result<Self::Rows>;
    fn add(&self, x: Self::Rows, y: Self::Rows) -> Result<Self::Rows>;

    /// Splits `[rows, q | k | v]`, applies RoPE, appends keys and values to the layer and the
    /// queries to its window, and returns the queries `[rows, heads × head_dim]`.
    fn append(
        &self,
        d: &Description,
        state: &mut LayerState,
        qkv: Self::Rows,
        run: Run,
    ) -> Result<Self::Rows>;
    /// Causal attention of the last rows of the layer, `[rows, heads × head_dim]`.
    fn attend(&self, d: &Description, layer: &Layer, q: &Self::Rows) -> Result<Self::Rows>;
    fn window_scores(&self, d: &Description, state: &LayerState) -> Result<Vec<HeadScores>>;
    /// The window's last query as one row.
    fn last_query(&self, window: &QueryWindow) -> Result<Self::Rows>;
    fn empty_layer(&self, d: &Description) -> Result<Layer>;

    fn slice(&self, x: &Self::Rows, start: usize, rows: usize) -> Result<Self::Rows>;
    fn put(&self, x: &mut Self::Rows, start: usize, rows: &Self::Rows) -> Result<()>;
    /// The last `rows` rows.
    fn last(&self, x: Self::Rows, rows: usize) -> Result<Self::Rows>;
    fn to_host(&self, x: Self::Rows) -> Result<Vec<f32>>;
}
