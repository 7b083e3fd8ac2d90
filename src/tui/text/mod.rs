//! Text on a grid of cells: made safe, measured and wrapped.

pub mod markdown;
pub mod safe;
pub mod stream;
pub mod table;
pub mod wrap;
