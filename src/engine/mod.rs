//! THE CONVERSATION. Transcript, turns, prefill and decode loops; runs on its own thread.

pub mod bench;
pub mod compare;
mod decode;
pub mod event;
pub mod evict;
pub mod handle;
pub mod inspect;
pub mod log;
mod picture;
mod prefill;
pub mod sampler;
pub mod session;
mod shorten;
pub mod worker;
