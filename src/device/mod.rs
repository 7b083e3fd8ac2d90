//! THE DEVICE. candle's devices, opened as this program wants them, and the tensor operations it
//! runs on them, counted. Knows nothing of caches or models.

pub mod count;
#[cfg(feature = "cuda")]
mod cuda;
mod free;
pub mod ops;

use candle_core::{Device, Result};
pub use free::free;

/// Opens CUDA device `ordinal`, with one stream of its own for all that happens on it.
///
/// # Errors
/// What the driver says.
#[cfg(feature = "cuda")]
pub fn open_cuda(ordinal: usize) -> Result<Device> {
    cuda::open(ordinal)
}

/// Builds without CUDA have none.
///
/// # Errors
/// Always.
#[cfg(not(feature = "cuda"))]
pub fn open_cuda(ordinal: usize) -> Result<Device> {
    Device::new_cuda(ordinal)
}
