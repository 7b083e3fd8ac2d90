//! THE STORE. Ragged keys and values: each KV head of each layer holds its own number of
//! entries with their positions. Knows nothing of models or of why entries are kept.

pub mod head;
pub mod layer;
pub mod page;
pub mod tensor;
pub mod window;

pub use head::Head;
pub use layer::{HostLayer, Layer};
pub use page::{KvElement, PAGE, Page};
pub use tensor::TensorLayer;
pub use window::{Query, QueryWindow};

/// One layer: its entries and the queries that judge them.
#[derive(Clone, Debug)]
pub struct LayerState {
    pub layer: Layer,
    pub window: QueryWindow,
}

/// The whole cache.
#[derive(Clone, Debug)]
pub struct KvCache {
    /// `[layers]`
    pub layers: Vec<LayerState>,
    /// Position of the next token: how many the conversation has had, kept or evicted.
    pub position: usize,
}

impl KvCache {
    /// Entries per `[layer][kv head]`.
    pub fn lens(&self) -> Vec<Vec<usize>> {
        self.layers.iter().map(|l| l.layer.lens()).collect()
    }

    /// Entries of all heads of all layers.
    pub fn entries(&self) -> usize {
        self.layers.iter().map(|l| l.layer.entries()).sum()
    }

    /// Bytes of keys and values in use.
    pub fn used_bytes(&self) -> usize {
        self.layers.iter().map(|l| l.layer.used_bytes()).sum()
    }

    /// Bytes of the buffers that hold them.
    pub fn allocated_bytes(&self) -> usize {
        self.layers.iter().map(|l| l.layer.allocated_bytes()).sum()
    }

    /// How many heads still hold each position, `[position]`.
    pub fn holders(&self) -> Vec<u16> {
        let mut holders = vec![0u16; self.position];
        for state in &self.layers {
            for head in 0..state.layer.lens().len() {
                for &p in state.layer.positions(head) {
                    if let Some(n) = holders.get_mut(p as usize) {
                        *n = n.saturating_add(1);
                    }
                }
            }
        }
        holders
    }
}
