//! Why a picture could not be drawn.

pub use crate::plot::DrawError;
