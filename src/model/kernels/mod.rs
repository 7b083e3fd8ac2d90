//! CPU kernels: the thread pool, packed low-bit matrices and dense ones, attention over the ragged cache.

mod amx;
pub mod attention;
pub mod convolution;
pub mod delta;
pub mod dense;
pub mod lengths;
pub mod ops;
pub mod packed;
pub mod pool;
mod region;
pub mod shared;
mod shares;
mod threads;
mod unaligned;
mod vectorised;
