//! Opening a CUDA device.
//!
//! `Device::new_cuda` works on the *calling thread's* stream: weights uploaded by one thread and used
//! by another are on streams that nothing orders. Here one stream of our own takes all uploads,
//! kernels and frees, whichever thread asks; what is on one stream happens in order.

#![allow(unsafe_code, reason = "driver calls for which there are no safe ones")]

use candle_core::cuda_backend::cudarc::driver::{result, sys};
use candle_core::{Device, Result};

pub fn open(ordinal: usize) -> Result<Device> {
    let device = Device::new_cuda_with_stream(ordinal)?;
    let cuda = device.as_cuda_device()?;
    // SAFETY: events order the use of a buffer on several streams; every buffer of this device is
    // made, used and freed on its one stream.
    unsafe { cuda.disable_event_tracking() };
    keep_freed_memory(cuda.cuda_stream().context().cu_device());
    Ok(device)
}

/// Lets the pool keep what is freed: by default it gives all of it back to the driver whenever the
/// host waits for the device, once per token, and asks for it again. A driver that has no pools
/// goes on without.
fn keep_freed_memory(device: sys::CUdevice) {
    let mut threshold = u64::MAX;
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the device is an open one, its default pool lives as long as it does, and this
    // attribute is a u64.
    unsafe {
        if let Ok(pool) = result::device::get_default_mem_pool(device) {
            let _ = result::mem_pool::set_attribute(pool, attribute, (&raw mut threshold).cast());
        }
    }
}
