//! What a card says of itself.

#![allow(unsafe_code, reason = "driver calls for which there are no safe ones")]

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::{CudaContext, sys};

use super::errors::Named;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    pub name: String,
    /// Its compute capability: 9 and 0.
    pub capability: (u32, u32),
    /// The newest CUDA that its driver knows: 13 and 0.
    pub driver: (u32, u32),
    pub multiprocessors: u32,
    /// Bytes that a group of threads may share.
    pub shared: u32,
    /// Bytes of memory, used or not.
    pub memory: u64,
}

impl Info {
    pub fn of(context: &CudaContext) -> Result<Self> {
        use sys::CUdevice_attribute::{
            CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN as SHARED,
            CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT as MULTIPROCESSORS,
        };
        let (major, minor) = context.compute_capability().named("cuDeviceGetAttribute")?;
        let multiprocessors = context.attribute(MULTIPROCESSORS);
        let mut version = 0;
        // SAFETY: it writes one number.
        let asked = unsafe { sys::cuDriverGetVersion(&raw mut version) };
        asked.result().named("cuDriverGetVersion")?;
        Ok(Self {
            name: context.name().named("cuDeviceGetName")?,
            capability: (major.unsigned_abs(), minor.unsigned_abs()),
            driver: (
                version.unsigned_abs() / 1000,
                version.unsigned_abs() % 1000 / 10,
            ),
            multiprocessors: multiprocessors
                .named("cuDeviceGetAttribute")?
                .unsigned_abs(),
            shared: context
                .attribute(SHARED)
                .named("cuDeviceGetAttribute")?
                .unsigned_abs(),
            memory: context.total_mem().named("cuDeviceTotalMem")? as u64,
        })
    }
}
