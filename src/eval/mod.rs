//! THE EVIDENCE. What policies cost: texts with questions, answers under many policies from one reading,
//! scores as the benchmarks define them. A client of the lane; only the command line imports it.

pub mod data;
mod error;
mod forced;
pub mod metric;
pub mod plan;
mod plot;
mod prompt;
mod record;
pub mod runner;
mod selected;
mod store;
pub mod summary;
pub mod synthetic;
pub mod texts;
#[cfg(test)]
mod tiny;
mod variant;
mod watch;

pub use error::EvalError;
pub use plot::plots;
pub use record::{Key, Record, TEXT};
pub use store::Store;
pub use summary::{Summary, bars, markdown};
pub use variant::{Mode, Variant};
pub use watch::{Unwatched, Watch};
