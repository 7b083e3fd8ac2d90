//! One layer's KV heads, in whichever storage the device wants.

use half::f16;

use super::{Head, KvElement, tensor::TensorLayer};

/// The KV heads of one layer in host memory.
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

    /// Keeps of each head the entries at `kept` (indices, ascending).
    pub fn gather(&self, kept: &[Vec<u32>]) -> Self {
        let heads = self.heads.iter().zip(kept);
        HostLayer {
            heads: heads.map(|(head, kept)| head.gather(kept)).collect(),
        }
    }
}

/// One layer's entries. A clone is cheap and independent (see [`Head`] and [`TensorLayer`]).
#[derive(Clone, Debug)]
pub enum Layer {
    F16(HostLayer<f16>),
    F32(HostLayer<f32>),
    /// On a device, or for the portable path.
    Tensor(TensorLayer),
}

/// Does the same for either host storage, and something else for tensors.
macro_rules! each {
    ($layer:expr, $host:ident => $do:expr, $tensor:ident => $or:expr) => {
        match $layer {
            Layer::F16($host) => $do,
            Layer::F32($host) => $do,
            Layer::Tensor($tensor) => $or,
        }
    };
}

impl Layer {
    /// Entries of each KV head.
    pub fn lens(&self) -> Vec<usize> {
        each!(self, l => l.heads.iter().map(Head::len).collect(), t => t.lens())
    }

    /// Original positions of one KV head's entries, ascending.
    pub fn positions(&self, head: usize) -> &[u32] {
        each!(self, l => l.heads[head].positions(), t => t.positions(head))
    }

    /// Entries of all heads together.
    pub fn entries(&self) -> usize {
        self.lens().iter().sum()
    }

    /// Keeps of each head the entries at `kept` (indices, ascending); the others' memory is freed.
    pub fn gather(&self, kept: &[Vec<u32>]) -> candle_core::Result<Layer> {
        Ok(match self {
            Layer::F16(l) => Layer::F16(l.gather(kept)),
            Layer::F32(l) => Layer::F32(l.gather(kept)),
            Layer::Tensor(t) => Layer::Tensor(t.gather(kept)?),
        })
    }

    /// Takes back the last `entries` of every head.
    pub fn take_back(&mut self, entries: usize) {
        each!(self, l => for head in &mut l.heads {
            head.truncate(head.len().saturating_sub(entries));
        }, t => t.take_back(entries))
    }

    /// Bytes of keys and values in use.
    pub fn used_bytes(&self) -> usize {
        each!(self, l => l.heads.iter().map(Head::used_bytes).sum(), t => t.used_bytes())
    }

    /// Bytes of the buffers that hold them.
    pub fn allocated_bytes(&self) -> usize {
        each!(self, l => l.heads.iter().map(Head::allocated_bytes).sum(), t => t.allocated_bytes())
    }

    /// Bytes of this layer's buffers that `other`, which it was cloned from, does not share.
    pub fn own_bytes(&self, other: &Layer) -> usize {
        match (self, other) {
            (Layer::F16(a), Layer::F16(b)) => own_bytes(a, b),
            (Layer::F32(a), Layer::F32(b)) => own_bytes(a, b),
            (Layer::Tensor(a), Layer::Tensor(b)) => a.own_bytes(b),
            _ => self.allocated_bytes(),
        }
    }
}

fn own_bytes<T: KvElement>(a: &HostLayer<T>, b: &HostLayer<T>) -> usize {
    let heads = a.heads.iter().zip(&b.heads);
    heads.map(|(a, b)| a.own_bytes(b)).sum()
}
