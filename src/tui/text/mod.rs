//! Text on a grid of cells: made safe, measured and wrapped.

mod code;
pub mod highlight;
pub mod markdown;
pub mod safe;
mod scope;
pub mod stream;
pub mod table;
pub mod wrap;
