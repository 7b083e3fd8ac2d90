//! THE GPU. Memory, kernels and the order in which they run, for the executor in `model::gpu` and its cache in
//! `cache::paged`; knows nothing of either.

pub mod args;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod driver;
pub mod emulated;
pub mod executor;
pub mod memory;
#[cfg(feature = "metal")]
pub mod metal;
mod pool;
mod product;
mod sources;

pub use driver::Element;
pub use executor::{Gpu, Grid};
pub use memory::Buffer;
pub use pool::{Usage, class};
