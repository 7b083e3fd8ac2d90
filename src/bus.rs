//! ENDS THAT CANNOT BE HANDLED: a mapped file (a model, a saved cache) that another program cuts short
//! is a bus error at the next look at it, and memory that runs out is an abort. Neither can be gone
//! on from, but the terminal can be given back and the reason said.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use unix::{forget_terminal, ignored, install, remember_terminal};

/// Nothing to be done here.
#[cfg(not(unix))]
pub fn install() {}

/// Nothing to be done here.
#[cfg(not(unix))]
pub fn remember_terminal() {}

/// Nothing to be done here.
#[cfg(not(unix))]
pub fn forget_terminal() {}
