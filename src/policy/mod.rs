//! THE MATHEMATICS of eviction: scores in, kept entries out. Slices only; no tensors, no I/O.
//!
//! A policy is a value, *score × allocator × layer budget*: what an entry is worth
//! ([`score`]), how a total is given to the heads ([`allocate`]), and how the layers' totals differ
//! ([`layers`]). [`preset`] names them. Who has an idea for a score writes one file and one row.

pub mod allocate;
pub mod budget;
mod each;
pub mod layers;
mod layerwise;
#[cfg(test)]
mod made;
pub mod observed;
mod params;
pub mod preset;
pub mod research;
pub mod round;
pub mod score;
pub mod select;
mod top;
mod value;

pub use allocate::Allocator;
pub use budget::Budget;
pub use layers::LayerBudget;
pub use layerwise::begin;
pub use observed::{HeadScores, Needs, Observed};
pub use params::Params;
pub use preset::Preset;
pub use round::{Choice, Extent, Round, Selection, Terms};
pub use score::Score;
pub use select::select;
pub use top::choose;
pub use value::Policy;
