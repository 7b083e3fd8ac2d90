//! Memory of the device.

#![allow(unsafe_code, reason = "driver calls for which there are no safe ones")]

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::{result, sys};

use super::errors::Named;
use super::stream::Stream;
use crate::gpu::driver::out_of_memory;

/// What is asked for where nothing is needed: the driver gives no addresses for no bytes.
const LEAST: usize = 256;

pub fn alloc(bytes: usize) -> Result<u64> {
    // SAFETY: what is in it is anything, as callers know.
    let given = unsafe { result::malloc_sync(bytes.max(LEAST)) };
    if given == Err(result::DriverError(sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY)) {
        return Err(out_of_memory(bytes, free_and_all().map(|(free, _)| free)));
    }
    given.named("cuMemAlloc")
}

pub fn free(at: u64) {
    if at != 0 {
        // SAFETY: that it came from `alloc` and is not used any more is the caller's promise; the driver
        // knows its addresses, and refuses others.
        let _ = unsafe { result::free_sync(at) };
    }
}

pub fn copy(stream: &Stream, from: u64, to: u64, bytes: usize) -> Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    // SAFETY: the places are the caller's promise.
    let sent = unsafe { result::memcpy_dtod_async(to, from, bytes, stream.raw()) };
    sent.named("cuMemcpyDtoDAsync")
}

pub fn free_and_all() -> Option<(u64, u64)> {
    let (free, all) = result::mem_get_info().ok()?;
    Some((free as u64, all as u64))
}
