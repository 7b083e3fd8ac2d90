//! THE EVIDENCE. What policies cost: texts with questions, answers under many policies from one reading,
//! scores as the benchmarks define them. A client of the lane; only the command line imports it.

pub mod data;
mod error;
pub mod metric;
pub mod plan;
mod plot;
mod prompt;
mod record;
pub mod runner;
mod store;
pub mod summary;
pub mod synthetic;
mod variant;
mod watch;

pub use error::EvalError;
pub use plot::plots;
pub use record::{Key, Record};
pub use store::Store;
pub use summary::{Summary, markdown};
pub use variant::{Mode, Variant};
pub use watch::{Unwatched, Watch};
