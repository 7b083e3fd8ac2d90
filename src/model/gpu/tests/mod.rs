//! The executor on the emulated device against the CPU backend.

mod against_host;
mod counted;
mod footprint;
mod largest;
mod layers;
mod narrow;
mod packed;
