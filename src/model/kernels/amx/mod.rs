//! The matrix unit of newer x86-64 servers (AMX): products of tiles of bf16, 16 × 32 by 32 × 16, summed in f32.
//!
//! A tile is 16 lines of 64 bytes. Of the left factor a line is a row's 32 numbers, of the right one it is 16
//! columns' pairs of numbers, of the sums a row. How a row of the sums is added up does not depend on the other
//! rows.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub mod bf16;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod stack;
#[cfg(all(test, target_arch = "x86_64", target_os = "linux"))]
mod tests;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod unit;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub use unit::{DEPTH, Factors, LINES, SIDE, Sums, Unit, available};

/// Whether there is such a unit, which is known for x86-64 on Linux alone.
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub fn available() -> bool {
    false
}
