//! What the engine sees of a loaded model: the network, a sequence of tokens in it, and the layers
//! of its cache. What a layer is made of is a backend's business and stays behind these.

use std::sync::Arc;

use super::{description::Description, device_memory::DeviceMemory, error::Result, logits::Logits};
use crate::archive::{Archive, Identity};
use crate::policy::{Choice, Round};

/// A decoder with its weights on a device.
pub trait Network: Send + Sync {
    fn description(&self) -> &Description;

    /// `cpu`, `cuda:0`, `metal`.
    fn device(&self) -> String;

    /// Element type of the cache and its size in bytes.
    fn kv_dtype(&self) -> (&'static str, usize);

    /// Whether its weights are dequantised to f32.
    fn exact(&self) -> bool;

    /// Bytes of the weights in memory.
    fn weight_bytes(&self) -> u64;

    /// What is taken of the device's memory, where there is one that tells.
    fn device_memory(&self) -> Option<DeviceMemory> {
        None
    }

    /// Gives back what nobody uses of it, and counts anew the most that is taken.
    fn forget_device_peak(&self) -> Result<()> {
        Ok(())
    }

    /// What tells this network's keys and values from those of others.
    fn identity(&self) -> Identity;

    /// A sequence without tokens that keeps the last `window` queries of every layer, and in
    /// `archive`, if there is one, everything that goes through it.
    fn sequence_in(
        self: Arc<Self>,
        archive: Option<Arc<Archive>>,
        window: usize,
    ) -> Result<Box<dyn Sequence>>;

    /// The same without an archive.
    fn sequence(self: Arc<Self>, window: usize) -> Result<Box<dyn Sequence>> {
        self.sequence_in(None, window)
    }

    /// ln p of `tokens[1..]`, each given all the tokens before it, full cache: what the perplexity
    /// of a text is made of, exp(−mean).
    fn log_likelihoods(&self, tokens: &[u32]) -> Result<Vec<f64>>;
}

/// Tokens that went through a network, as its cache remembers them.
pub trait Sequence: Layers + Send {
    /// Runs `tokens` through the network, layer by layer over the whole run, behind what the cache
    /// holds, and returns the logits `[vocabulary]` of the last one. Attention is exact: a layer is
    /// given to [`PrefillHooks::layer_done`] for eviction after all its queries are done.
    ///
    /// It is a transaction: when it is stopped (`None`) or fails, the cache is as it was.
    fn prefill(&mut self, tokens: &[u32], hooks: &mut dyn PrefillHooks)
    -> Result<Option<Vec<f32>>>;

    /// How many of `tokens`, the first ones and at most `most`, need not be read by
    /// [`Sequence::recall`]: those that are archived, or that the cache holds whole.
    fn archived(&mut self, tokens: &[u32], most: usize) -> usize;

    /// Becomes the sequence of `tokens`: reads those from `from` on, behind the keys and values of those
    /// before, which come from the archive or the cache. Otherwise as [`Sequence::prefill`], so that what
    /// [`PrefillHooks::layer_done`] sees is everything that was ever said. At least the window's
    /// tokens should be read again: its queries are not archived.
    ///
    /// # Errors
    /// [`ModelError::Archive`](super::ModelError::Archive) when the archive is damaged, or there is
    /// none: what is damaged is forgotten, and `archived` says less than before.
    fn recall(
        &mut self,
        tokens: &[u32],
        from: usize,
        hooks: &mut dyn PrefillHooks,
    ) -> Result<Option<Vec<f32>>>;

    /// Puts what was decoded into the archive.
    fn archive_decoded(&mut self) -> Result<()>;

    /// From now on nothing is archived.
    fn leave_archive(&mut self);

    /// Where everything is kept.
    fn archive(&self) -> Option<&Arc<Archive>>;

    /// All tokens that went through, kept or evicted.
    fn tokens(&self) -> &[u32];

    /// How many tokens [`Sequence::verify`] may be given now: one where none could be taken back, or
    /// where it would gain nothing.
    fn room(&self) -> usize;

    /// Appends `tokens` in one pass over the weights and returns the logits behind each, which are those
    /// of appending them one after the other, bit for bit. `None`, and the cache as it was, when
    /// `stopped` became true on the way.
    ///
    /// They do not count before [`Sequence::settle`], which must follow: until then nothing may be done
    /// with the sequence, and its layers hold them all.
    fn verify(
        &mut self,
        tokens: &[u32],
        stopped: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<Result<Logits>>>>;

    /// The first `kept` of the tokens verified last stay; the rest goes as if it had never come.
    fn settle(&mut self, kept: usize) -> Result<()>;

    /// Appends one token and returns the logits `[vocabulary]` after it. `None`, and the cache as
    /// it was, when `stopped` became true on the way.
    fn decode(&mut self, token: u32, stopped: &dyn Fn() -> bool) -> Result<Option<Vec<f32>>> {
        let Some(rows) = self.verify(&[token], stopped)? else {
            return Ok(None);
        };
        self.settle(1)?;
        let row = rows.into_iter().next();
        row.map(|row| row.and_then(Logits::whole)).transpose()
    }

    /// Another sequence with the same past. Cheap: they share what neither has changed since.
    fn fork(&self) -> Box<dyn Sequence>;

    /// From now on the last `window` queries are kept; a larger window fills up as queries come.
    fn resize_window(&mut self, window: usize);
}

/// The layers of a cache: counted, judged, and cut down. While a prefill runs, those that are
/// through stand beside those that are not.
pub trait Layers {
    fn description(&self) -> &Description;

    /// Element size of the cache in bytes.
    fn element_bytes(&self) -> usize;

    /// How many tokens the conversation has had, kept or evicted; in a prefill, all its tokens.
    fn position(&self) -> usize;

    /// Entries of each KV head of a layer.
    fn lens(&self, layer: usize) -> Vec<usize>;

    /// Original positions of one head's entries, ascending.
    fn positions(&self, layer: usize, head: usize) -> &[u32];

    /// Bytes of keys and values in use.
    fn used_bytes(&self) -> usize;

    /// Bytes of the buffers that hold them; in a prefill those of both sides of the transaction.
    fn allocated_bytes(&self) -> usize;

    /// What is taken of the device's memory, where there is one that tells.
    fn device_memory(&self) -> Option<DeviceMemory> {
        None
    }

    /// Bytes of one layer's buffers.
    fn layer_bytes(&self, layer: usize) -> usize;

    /// Shows a layer to `round` as its layer `index`.
    fn select(&self, layer: usize, index: usize, round: &mut dyn Round) -> Result<Vec<Choice>>;

    /// Whether entries that a round does not choose yet cost nothing until its end.
    fn waits(&self) -> bool;

    /// Nothing of a layer is needed until it is cut down: where it is archived, its memory is given
    /// back until then.
    fn set_aside(&mut self, layer: usize) -> Result<()>;

    /// Keeps of each head of a layer the entries at `kept` (indices, ascending).
    fn keep(&mut self, layer: usize, kept: &[Vec<u32>]) -> Result<()>;

    /// Forgets all of a layer's queries but the newest: whoever wanted many has looked at them.
    fn forget_queries(&mut self, _layer: usize) {}

    /// Entries of a layer that a read took from the archive and the cache before it did not hold.
    fn came_back(&self, layer: usize) -> usize;

    /// The attention output after the output projection, `[hidden]`, of the newest query over the
    /// entries of `layer`, softmax over just those.
    fn attention_output(&self, layer: usize) -> Result<Vec<f32>>;

    /// Layers there are.
    fn count(&self) -> usize {
        self.description().layers.len()
    }

    /// Entries of all heads of a layer.
    fn layer_entries(&self, layer: usize) -> usize {
        self.lens(layer).iter().sum()
    }

    /// Entries of all heads of all layers.
    fn entries(&self) -> usize {
        (0..self.count()).map(|l| self.layer_entries(l)).sum()
    }

    /// How many heads of the layers that grow still hold each position, `[position]`. A token that a
    /// window has passed is gone from its layer under every policy.
    fn holders(&self) -> Vec<u16> {
        let mut holders = vec![0u16; self.position()];
        let shapes = self.description().layers.iter().enumerate();
        for (layer, _) in shapes.filter(|(_, shape)| shape.grows()) {
            for head in 0..self.lens(layer).len() {
                for &p in self.positions(layer, head) {
                    if let Some(n) = holders.get_mut(p as usize) {
                        *n = n.saturating_add(1);
                    }
                }
            }
        }
        holders
    }
}

/// What happens around a prefill.
pub trait PrefillHooks {
    /// Looked at between blocks.
    fn stopped(&self) -> bool {
        false
    }

    /// `done` of `total` blocks over all layers are through.
    fn progress(&mut self, _done: usize, _total: usize) {}

    /// `layer` has all its entries and may be evicted now, and those before it again.
    fn layer_done(&mut self, _layer: usize, _layers: &mut dyn Layers) -> Result<()> {
        Ok(())
    }

    /// All layers are through; nothing is committed yet.
    fn all_done(&mut self, _layers: &mut dyn Layers) -> Result<()> {
        Ok(())
    }
}

/// A prefill that nobody watches.
pub struct NoHooks;

impl PrefillHooks for NoHooks {}
