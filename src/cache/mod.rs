//! THE STORE. Ragged keys and values: each KV head of each layer holds its own number of
//! entries with their positions. Knows nothing of models or policies' reasons.

pub mod head;
pub mod page;

pub use head::Head;
pub use page::{KvElement, PAGE, Page};

/// The KV heads of one layer in host memory.
#[derive(Clone, Debug)]
pub struct HostLayer<T> {
    pub heads: Vec<Head<T>>,
}
