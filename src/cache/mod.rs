//! THE STORE. Ragged keys and values: each KV head of each layer holds its own number of
//! entries with their positions. Knows nothing of models or of why entries are kept.

pub mod head;
pub mod host;
pub mod layer;
pub mod page;
pub mod paged;
pub mod state;
pub mod tensor;
pub mod window;

pub use head::Head;
pub use host::HostLayer;
pub use layer::Store;
pub use page::{HeadPages, KvElement, Lent, PAGE, Page, PageBytes};
pub use paged::PagedLayer;
pub use state::{Numbers, State};
pub use tensor::TensorLayer;
pub use window::QueryWindow;

/// One layer: its entries and the queries that judge them, or a state in their place.
#[derive(Clone, Debug)]
pub struct LayerState<S: Store> {
    pub layer: S,
    pub window: QueryWindow<S::Query>,
    pub state: State<S::Numbers>,
}

impl<S: Store> LayerState<S> {
    /// Whether the token at `position` is in it, as the last one.
    pub fn has_seen(&self, position: usize) -> bool {
        match self.state.exists() {
            true => self.state.seen() == position + 1,
            // One that sees another's entries has none to tell by.
            false if self.layer.lens().is_empty() => false,
            false => self.layer.positions(0).last() == Some(&(position as u32)),
        }
    }

    /// Of the tokens that were appended last, announced by [`QueryWindow::expect`], undoes the last
    /// `rejected`; of a state, one at most.
    pub fn settle(&mut self, rejected: usize) {
        if rejected > 0 {
            self.layer.take_back(rejected);
            self.state.take_back();
        }
        self.window.settle(rejected);
    }

    /// Bytes in use.
    pub fn used_bytes(&self) -> usize {
        self.layer.used_bytes() + self.state.used_bytes()
    }

    /// Bytes of the buffers.
    pub fn allocated_bytes(&self) -> usize {
        self.layer.allocated_bytes() + self.state.allocated_bytes()
    }
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
        self.layers.iter().map(LayerState::allocated_bytes).sum()
    }
}
