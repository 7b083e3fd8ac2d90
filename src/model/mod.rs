//! THE NETWORK. Where weights come from, GGUF → decoder, tokenizer, chat template, kernels.

pub mod backend;
pub mod begun;
mod block;
pub mod decoder;
pub mod description;
pub mod detokenize;
pub mod error;
mod experts;
pub mod family;
pub mod gguf;
pub mod host;
mod jinja;
pub mod kernels;
mod keys;
pub mod load;
mod masks;
pub mod message;
mod mixer;
mod mlp;
pub mod network;
mod plain;
pub mod portable;
pub mod rendering;
pub mod rope;
mod sequence;
pub mod shape;
pub mod source;
pub mod template;
pub mod thinking;
pub mod thoughts;
pub mod tokenizer;
mod weights;

pub use description::Description;
pub use error::ModelError;
pub use load::{DeviceKind, LoadOptions, load};
pub use network::{Layers, Network, NoHooks, PrefillHooks, Sequence};
