//! Why a picture could not be drawn.

/// What the library says.
pub type DrawError = Box<dyn std::error::Error + Send + Sync>;
