//! What happens when a mapped file loses its bytes while they are read.
//!
//! The system then sends SIGBUS to the thread that reads. For the ranges that are guarded here the
//! handler puts a page of zeros where the bytes were, and notes it: whoever reads goes on with zeros
//! and asks [`Guard::struck`] before it relies on what came out. Any other SIGBUS goes to who handled
//! it before.

#[cfg(unix)]
mod unix;

/// Guards a range of addresses as long as it lives.
#[derive(Debug)]
pub struct Guard {
    #[cfg(unix)]
    slot: Option<usize>,
}

#[cfg(not(unix))]
impl Guard {
    pub fn new(_: std::ops::Range<usize>) -> Guard {
        Guard {}
    }

    pub fn struck(&self) -> bool {
        false
    }
}
