//! THE NETWORK. Where weights come from, GGUF → decoder, tokenizer, chat template, kernels.

pub mod detokenize;
pub mod gguf;
pub mod kernels;
pub mod message;
pub mod source;
pub mod template;
pub mod tokenizer;
