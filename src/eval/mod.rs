//! THE EVIDENCE. What policies cost: texts with questions, answers under many policies from one reading,
//! scores as the benchmarks define them. A client of the lane; only the command line imports it.

pub mod data;
pub mod metric;
pub mod synthetic;
