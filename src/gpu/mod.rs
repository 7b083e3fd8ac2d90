//! THE GPU. Memory, kernels and the order in which they run, for the executor in `model::gpu` and its cache in
//! `cache::paged`; knows nothing of either.

#[cfg(feature = "cuda")]
pub mod cuda;
pub mod driver;
