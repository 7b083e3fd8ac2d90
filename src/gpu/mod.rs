//! THE GPU. Memory, kernels and the order in which they run, for the executor in `model::gpu` and its cache in
//! `cache::paged`; knows nothing of either.

pub mod driver;
pub mod emulated;
