//! A device's memory, as far as it is known whose it is.

use crate::gpu::{Gpu, Usage};

/// In bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct DeviceMemory {
    /// Of the whole device, and of that what nobody has taken, as its driver says.
    pub total: Option<u64>,
    pub free: Option<u64>,
    /// Of the model's matrices and vectors.
    pub weights: u64,
    /// Taken and used here.
    #[serde(flatten)]
    pub usage: Usage,
}

impl DeviceMemory {
    /// Of a GPU on which nothing is known as weights yet.
    pub(super) fn of(gpu: &Gpu) -> DeviceMemory {
        let told = gpu.driver().memory();
        DeviceMemory {
            total: told.map(|(_, all)| all),
            free: told.map(|(free, _)| free),
            weights: 0,
            usage: gpu.usage(),
        }
    }

    /// Neither weights nor cache: what layers work with, tables of pages, and what is kept of both.
    pub fn rest(&self) -> u64 {
        let known = self.weights.saturating_add(self.usage.slabs);
        self.usage.allocated.saturating_sub(known)
    }
}
