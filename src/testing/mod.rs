//! Small generated models for tests: no network, no fixtures of megabytes. Not part of the API.

pub mod families;
pub mod forms;
pub mod pdf;
pub use crate::random;
pub mod tiny;
pub mod vocabulary;
pub mod work;

pub use families::write_family_gguf;
pub use forms::write_tiny_parts;
pub use tiny::{TinySpec, write_tiny_gguf};
pub use vocabulary::{write_smollm2_vocabulary, write_tiny_vocabulary};
pub use work::Work;
