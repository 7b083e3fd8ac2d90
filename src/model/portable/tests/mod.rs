//! The portable path against the CPU backend, and what it would cost a GPU.

mod against_host;
mod counted;
mod gates;
mod half;
mod shapes;
mod sinks;
