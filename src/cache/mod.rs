//! THE STORE. Ragged keys and values: each KV head of each layer holds its own number of
//! entries with their positions. Knows nothing of models or of why entries are kept.

pub mod head;
pub mod host;
pub mod layer;
pub mod page;
pub mod tensor;
pub mod window;

pub use head::Head;
pub use host::HostLayer;
pub use layer::{HeadPages, Store};
pub use page::{KvElement, Lent, PAGE, Page, PageBytes};
pub use tensor::TensorLayer;
pub use window::QueryWindow;

/// One layer: its entries and the queries that judge them.
#[derive(Clone, Debug)]
pub struct LayerState<S: Store> {
    pub layer: S,
    pub window: QueryWindow<S::Query>,
}

/// The whole cache.
#[derive(Clone, Debug)]
pub struct KvCache<S: Store> {
    /// `[layers]`
    pub layers: Vec<LayerState<S>>,
    /// Position of the next token: how many the conversation has had, kept or evicted.
    pub position: usize,
}

impl<S: Store> KvCache<S> {
    /// Bytes of the buffers that hold keys and values.
    pub fn allocated_bytes(&self) -> usize {
        self.layers.iter().map(|l| l.layer.allocated_bytes()).sum()
    }
}
