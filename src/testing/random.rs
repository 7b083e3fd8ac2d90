//! The crate's generator of numbers, where tests look for it.

pub use crate::random::Random;
