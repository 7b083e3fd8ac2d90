//! What the engine sees of a loaded model.

use super::{description::Description, error::Result};
use crate::cache::{KvCache, Layer, LayerState, QueryWindow};
use crate::policy::HeadScores;

/// A decoder with its weights on a device.
pub trait Network: Send + Sync {
    fn description(&self) -> &Description;

    /// `cpu`, `cuda:0`, `metal`.
    fn device(&self) -> String;

    /// Element type of the cache and its size in bytes.
    fn kv_dtype(&self) -> (&'static str, usize);

    /// Bytes of the weights in memory.
    fn weight_bytes(&self) -> u64;

    /// A cache without entries that keeps the last `window` queries of every layer.
    fn empty_cache(&self, window: usize) -> Result<KvCache>;

    /// Runs `tokens` through the model, layer by layer over the whole run, behind what the cache
    /// holds, and returns the logits `[vocabulary]` of the last one. Attention is exact: a layer is
    /// given to [`PrefillHooks::layer_done`] for eviction after all its queries are done.
    ///
    /// It is a transaction: when it is stopped (`None`) or fails, the cache is as it was.
    fn prefill(
        &self,
        cache: &mut KvCache,
        tokens: &[u32],
        hooks: &mut dyn PrefillHooks,
    ) -> Result<Option<Vec<f32>>>;

    /// ln p of `tokens[1..]`, each given all the tokens before it, full cache: what the perplexity
    /// of a text is made of, exp(−mean).
    fn log_likelihoods(&self, tokens: &[u32]) -> Result<Vec<f64>>;

    /// Appends one token and returns the logits `[vocabulary]` after it. `None`, and the cache as
    /// it was, when `stopped` became true on the way.
    fn decode(
        &self,
        cache: &mut KvCache,
        token: u32,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<f32>>>;

    /// What the observation window thinks of the layer's entries.
    fn window_scores(&self, state: &LayerState) -> Result<Vec<HeadScores>>;

    /// The attention output after the output projection, `[hidden]`, of the window's last query
    /// over the entries of `layer`, softmax over just those.
    fn attention_output(
        &self,
        index: usize,
        layer: &Layer,
        window: &QueryWindow,
    ) -> Result<Vec<f32>>;
}

/// What happens around a prefill.
pub trait PrefillHooks {
    /// Looked at between blocks.
    fn stopped(&self) -> bool {
        false
    }

    /// `done` of `total` blocks over all layers are through.
    fn progress(&mut self, _done: usize, _total: usize) {}

    /// The last of `staged` has all its entries and may be evicted now; `before` is the cache the
    /// prefill started from, whose layers from `staged.len()` on still stand.
    fn layer_done(
        &mut self,
        network: &dyn Network,
        staged: &mut [LayerState],
        before: &KvCache,
    ) -> Result<()> {
        let _ = (network, staged, before);
        Ok(())
    }
}

/// A prefill that nobody watches.
pub struct NoHooks;

impl PrefillHooks for NoHooks {}
