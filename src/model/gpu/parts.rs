//! What the executor keeps beside matrices.

use std::sync::Arc;

use crate::gpu::Buffer;
use crate::model::error::{ModelError, Result};

/// A vector, and how long it is.
pub struct Vector {
    pub buffer: Arc<Buffer>,
    pub len: usize,
}

/// What turns queries and keys: the kernels make angles of positions.
pub struct Angles {
    pub frequencies: Arc<Buffer>,
    pub magnitude: f32,
}

/// What this backend has no kernels for; [`covers`](super::covers()) keeps it away.
pub fn not_covered<T>(what: &str) -> Result<T> {
    Err(ModelError::Description(format!(
        "the GPU has no kernels for {what}"
    )))
}
