//! Cachat: chat with long documents in the terminal, and watch the KV cache work.
//!
//! One direction of imports: `policy, device ← cache ← archive ← model ← engine ← tui, cli`;
//! `document`, `saved` and `human` stand beside them.

pub mod archive;
pub mod aside;
pub mod bus;
pub mod cache;
pub mod cli;
pub mod config;
pub mod device;
pub mod dirs;
pub mod disk;
pub mod document;
pub mod engine;
pub mod eval;
pub mod gpu;
pub mod heap;
pub mod human;
pub mod model;
pub mod plot;
pub mod policy;
pub mod random;
pub mod report;
pub mod saved;

#[doc(hidden)]
pub mod testing;
pub mod tui;
pub mod unseen;
