//! THE CONVERSATION. Transcript, turns, prefill and decode loops; runs on its own thread.

mod answer;
pub mod archiving;
pub mod bench;
pub mod compare;
pub mod comparison;
pub mod event;
pub mod evict;
mod gate;
pub mod handle;
pub mod inspect;
pub mod lane;
pub mod log;
pub mod logits;
mod memory;
mod peak;
mod picture;
mod reading;
mod retained;
pub mod sampler;
pub mod sampling;
pub mod session;
mod shorten;
mod stop;
mod thoughts;
mod turn_error;
pub mod watcher;
pub mod worker;
