//! The KV heads of one layer in host memory.

use super::{Head, HeadPages, KvElement, Store};

/// One layer's heads; a clone shares their pages (see [`Head`]).
#[derive(Clone, Debug)]
pub struct HostLayer<T> {
    pub heads: Vec<Head<T>>,
}

impl<T: KvElement> HostLayer<T> {
    pub fn new(kv_heads: usize, head_dim: usize) -> Self {
        HostLayer {
            heads: (0..kv_heads).map(|_| Head::new(head_dim)).collect(),
        }
    }
}

impl<T: KvElement> Store for HostLayer<T> {
    /// `[heads × head_dim]`
    type Query = Vec<f32>;
    type Numbers = std::sync::Arc<Vec<f32>>;

    fn lens(&self) -> Vec<usize> {
        self.heads.iter().map(Head::len).collect()
    }

    fn positions(&self, head: usize) -> &[u32] {
        self.heads[head].positions()
    }

    fn gather(&self, kept: &[Vec<u32>]) -> candle_core::Result<Self> {
        let heads = self.heads.iter().zip(kept);
        Ok(HostLayer {
            heads: heads.map(|(head, kept)| head.gather(kept)).collect(),
        })
    }

    fn put_back(&self, other: &Self) -> candle_core::Result<Self> {
        let heads = self.heads.iter().zip(&other.heads);
        Ok(HostLayer {
            heads: heads.map(|(a, b)| a.put_back(b)).collect(),
        })
    }

    fn take_back(&mut self, entries: usize) {
        for head in &mut self.heads {
            head.truncate(head.len().saturating_sub(entries));
        }
    }

    fn export(&self, first: usize) -> candle_core::Result<Vec<HeadPages>> {
        Ok(self.heads.iter().map(|head| head.export(first)).collect())
    }

    fn import(&self, pages: Vec<HeadPages>, len: usize) -> candle_core::Result<Self> {
        let heads = self.heads.iter().zip(pages);
        Ok(HostLayer {
            heads: heads
                .map(|(like, pages)| Head::import(like.head_dim(), pages, len))
                .collect(),
        })
    }

    fn detach(&mut self) {
        self.heads.iter_mut().for_each(Head::detach);
    }

    fn used_bytes(&self) -> usize {
        self.heads.iter().map(Head::used_bytes).sum()
    }

    fn allocated_bytes(&self) -> usize {
        self.heads.iter().map(Head::allocated_bytes).sum()
    }

    fn own_bytes(&self, other: &Self) -> usize {
        let heads = self.heads.iter().zip(&other.heads);
        heads.map(|(a, b)| a.own_bytes(b)).sum()
    }
}
