//! THE NETWORK. Where weights come from, GGUF → decoder, tokenizer, chat template, kernels.

pub mod kernels;
pub mod source;
