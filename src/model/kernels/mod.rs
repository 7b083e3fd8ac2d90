//! CPU kernels: the thread pool, packed low-bit matrices, attention over the ragged cache.

pub mod attention;
pub mod ops;
pub mod packed;
pub mod pool;
pub mod shared;
