//! THE MATHEMATICS. Scores in, kept positions out; slices only, no tensors, no I/O.

pub mod budget;
