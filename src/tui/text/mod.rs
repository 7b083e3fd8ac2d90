//! Text on a grid of cells: made safe, measured and wrapped.

mod code;
mod fence;
mod formula;
pub mod highlight;
mod literal;
pub mod markdown;
mod place;
pub mod safe;
mod scope;
pub mod stream;
pub mod table;
pub mod wrap;
