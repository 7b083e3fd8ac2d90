//! One KV head's entries on a device.

use std::sync::Arc;

use candle_core::Result;

use crate::gpu::{Gpu, Grid, args, driver::Kernel, driver::Variant, memory::Page};

/// Original positions of the entries, ascending, and their pages.
#[derive(Clone, Default)]
pub(super) struct Head {
    pub positions: Vec<u32>,
    pub pages: Vec<Arc<Page>>,
}

/// Copies within the device.
pub(super) fn copy(gpu: &Arc<Gpu>, from: u64, to: u64, bytes: usize) -> Result<()> {
    let count = bytes / size_of::<f32>();
    let arguments = args::CopyRows {
        x: from,
        out: to,
        count: count as u64,
    };
    gpu.launch(
        Kernel::CopyRows,
        Variant::Only,
        Grid::over(count),
        &arguments,
    )
}
