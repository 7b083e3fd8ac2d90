//! THE NETWORK. Where weights come from, GGUF → decoder, tokenizer, chat template, kernels.

pub mod gguf;
pub mod kernels;
pub mod source;
