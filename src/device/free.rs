//! How much memory a device has left.

/// Bytes that the accelerator `ordinal` has left, with what this process holds there counted as taken;
/// `None` where there is none, or it does not tell.
#[cfg(feature = "cuda")]
pub fn free(ordinal: usize) -> Option<u64> {
    use candle_core::cuda_backend::cudarc::driver::CudaContext;
    let context = CudaContext::new(ordinal).ok()?;
    context.mem_get_info().ok().map(|(free, _)| free as u64)
}

/// The same of Metal, where it is what the system recommends to use at most.
#[cfg(all(feature = "metal", not(feature = "cuda")))]
pub fn free(ordinal: usize) -> Option<u64> {
    let device = candle_core::Device::new_metal(ordinal).ok()?;
    let metal = device.as_metal_device().ok()?.metal_device();
    let most = metal.recommended_max_working_set_size();
    Some(most.saturating_sub(metal.current_allocated_size()) as u64)
}

/// Builds without an accelerator have none.
#[cfg(not(any(feature = "cuda", feature = "metal")))]
pub fn free(_ordinal: usize) -> Option<u64> {
    None
}
