//! Rows of the observation window on a device.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::Result;

use crate::gpu::{Buffer, Gpu};

/// Queries that came together, or one after the other: each row is written once.
pub struct Ring {
    buffer: Buffer,
    /// Numbers of a row.
    width: usize,
    capacity: usize,
    written: AtomicUsize,
}

/// A row of an observation window.
#[derive(Clone)]
pub struct RingRow {
    pub ring: Arc<Ring>,
    pub row: usize,
}

impl std::fmt::Debug for RingRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "row {} of {}", self.row, self.ring.capacity)
    }
}

impl Ring {
    /// Place for `capacity` rows, the first `taken` of which are written at once.
    pub fn new(gpu: &Arc<Gpu>, width: usize, capacity: usize, taken: usize) -> Result<Arc<Self>> {
        Ok(Arc::new(Ring {
            buffer: gpu.buffer(width * capacity * size_of::<f32>())?,
            width,
            capacity,
            written: AtomicUsize::new(taken),
        }))
    }

    /// The address of a row.
    pub fn at(&self, row: usize) -> u64 {
        self.buffer.at() + (row * self.width * size_of::<f32>()) as u64
    }

    pub fn width(&self) -> usize {
        self.width
    }

    /// Takes row `row` to write to; false where there is none, or another has.
    pub fn claim(&self, row: usize) -> bool {
        let (ok, no) = (Ordering::AcqRel, Ordering::Acquire);
        row < self.capacity && self.written.compare_exchange(row, row + 1, ok, no).is_ok()
    }
}
