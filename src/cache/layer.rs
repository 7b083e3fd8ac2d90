//! What every layer of a cache can do, wherever its entries lie.

use super::page::HeadPages;
use super::state::Numbers;

/// One layer's entries in a backend's own storage: each KV head holds its own number of them, with
/// their positions. A clone is a fork: cheap, and neither side ever sees what the other does.
pub trait Store: Clone + Send + Sync + 'static {
    /// One position's queries after RoPE, as the backend keeps them for the observation window.
    type Query: Clone + Send + Sync + std::fmt::Debug;

    /// Part of the state of a layer that keeps no entries.
    type Numbers: Numbers;

    /// Entries of each KV head.
    fn lens(&self) -> Vec<usize>;

    /// Original positions of one KV head's entries, ascending.
    fn positions(&self, head: usize) -> &[u32];

    /// Entries of all heads together.
    fn entries(&self) -> usize {
        self.lens().iter().sum()
    }

    /// Takes out of each head the entries at `kept` (indices, ascending), in a store of their own.
    fn gather(&self, kept: &[Vec<u32>]) -> candle_core::Result<Self>;

    /// Puts entries that were taken out of it (or of what it was forked from) back between those
    /// of each head, in position order; a position that is there already stays as it is.
    fn put_back(&self, other: &Self) -> candle_core::Result<Self>;

    /// Drops the last `entries` of every head.
    fn take_back(&mut self, entries: usize);

    /// Pages from entry `first` on, a multiple of [`PAGE`](super::PAGE): `[head][page]`, keys
    /// `[head_dim, PAGE]` and then values `[PAGE, head_dim]`. Every head must hold the same positions.
    fn export(&self, first: usize) -> candle_core::Result<Vec<HeadPages>>;

    /// A layer like this one that holds the first `len` positions, from their pages.
    fn import(&self, pages: Vec<HeadPages>, len: usize) -> candle_core::Result<Self>;

    /// Takes what was lent to it into memory of its own.
    fn detach(&mut self);

    /// Each head's entries at positions from `first` on, as indices.
    fn since(&self, first: usize) -> Vec<Vec<u32>> {
        let heads = 0..self.lens().len();
        heads
            .map(|head| {
                let positions = self.positions(head);
                let from = positions.partition_point(|&p| (p as usize) < first);
                (from as u32..positions.len() as u32).collect()
            })
            .collect()
    }

    /// Whether every head holds every one of the first `len` positions.
    fn holds_all(&self, len: usize) -> bool {
        // Positions ascend and are unique, so that the last of `len` tells.
        (0..self.lens().len()).all(|head| {
            let positions = self.positions(head);
            len == 0 || positions.get(len - 1) == Some(&(len as u32 - 1))
        })
    }

    /// Bytes of keys and values in use.
    fn used_bytes(&self) -> usize;

    /// Bytes of the buffers that hold them.
    fn allocated_bytes(&self) -> usize;

    /// Bytes of this layer's buffers that `other`, which it was forked from, does not share.
    fn own_bytes(&self, other: &Self) -> usize;
}

/// Where the entries of two heads come from when they are put together in position order: of each
/// the side (false = `a`) and its index there. `a` wins where both hold a position.
pub(super) fn in_order(a: &[u32], b: &[u32]) -> Vec<(bool, u32)> {
    let mut order = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) if y < x => {
                order.push((true, j as u32));
                j += 1;
            }
            (Some(x), y) => {
                j += usize::from(y == Some(x));
                order.push((false, i as u32));
                i += 1;
            }
            (None, _) => {
                order.push((true, j as u32));
                j += 1;
            }
        }
    }
    order
}
