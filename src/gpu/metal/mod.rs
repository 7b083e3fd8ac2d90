//! A GPU by Metal: an Apple one, whose memory is the host's too. Written and type-checked where there is none; the
//! self-test (`cachat doctor`) says whether it computes what it should, and models run here only where it does.
//!
//! Kernels are told addresses, as on every device, and Metal learns from those of nothing which memory they mean: so all
//! of it is declared to be used by every list of launches. A launch waits for the one before it, all of it, as the order
//! of a [`Driver`] wants it.

mod device;
mod errors;
mod kernels;
mod memory;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use candle_core::{Error, Result};
use objc2::Message;
use objc2::rc::autoreleasepool;
use objc2_metal::{MTLDevice, MTLGPUFamily};

use device::Device;
use kernels::Kernels;
use memory::Buffers;
use queue::Queue;

use crate::gpu::driver::{Driver, Launch, Limits, MatMul};
use crate::gpu::product::product;

/// An open GPU: candle's, with a queue of our own.
pub struct Metal {
    parts: Mutex<Parts>,
    device: Device,
}

/// Dropped from above: what was enqueued is waited for before the memory goes.
struct Parts {
    queue: Queue,
    kernels: Kernels,
    buffers: Buffers,
}

impl Metal {
    /// Opens GPU `ordinal` and compiles the kernels for it.
    ///
    /// # Errors
    /// What Metal says; a GPU that is none of Apple's, or a system before macOS 13.
    pub fn open(ordinal: usize) -> Result<Self> {
        let opened = candle_core::Device::new_metal(ordinal)?;
        let device: Device = opened.as_metal_device()?.metal_device().as_ref().retain();
        // Addresses of memory came with Metal 3, SIMD groups as the kernels want them with Apple's 7 (M1, A14).
        let can = device.supportsFamily(MTLGPUFamily::Metal3)
            && device.supportsFamily(MTLGPUFamily::Apple7)
            && device.hasUnifiedMemory();
        if !can {
            let text = format!(
                "the GPU's kernels need one of Apple's GPUs from the M1 on, and macOS 13 or newer; this is {}",
                device.name()
            );
            return Err(Error::Msg(text));
        }
        let limits = Limits::NARROW;
        if device.maxThreadgroupMemoryLength() < limits.shared as usize {
            return Err(Error::Msg(
                "the GPU's groups share too little memory".into(),
            ));
        }
        let parts = autoreleasepool(|_| {
            Ok::<_, Error>(Parts {
                queue: Queue::new(&device)?,
                kernels: Kernels::compile(&device)?,
                buffers: Buffers::new(&device),
            })
        })?;
        Ok(Metal {
            parts: Mutex::new(parts),
            device,
        })
    }

    /// Its name: `Apple M2 Pro`.
    pub fn device_name(&self) -> String {
        self.device.name().to_string()
    }

    fn with<T>(&self, act: impl FnOnce(&mut Parts) -> Result<T>) -> Result<T> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        autoreleasepool(|_| act(&mut parts))
    }
}

impl Driver for Metal {
    fn name(&self) -> &'static str {
        "Metal"
    }

    fn alloc(&self, bytes: usize) -> Result<u64> {
        self.with(|parts| {
            // What is open was told of the memory that there was.
            parts.queue.commit();
            parts.buffers.alloc(bytes)
        })
    }

    fn free(&self, at: u64, _bytes: usize) {
        // Where a launch failed, nothing runs any more either.
        let _ = self.with(|parts| {
            let done = parts.queue.finish();
            parts.buffers.free(at);
            done
        });
    }

    fn upload(&self, at: u64, data: &[u8]) -> Result<()> {
        self.with(|parts| {
            parts.queue.finish()?;
            parts.buffers.write(at, data)
        })
    }

    fn read(&self, at: u64, out: &mut [u8]) -> Result<()> {
        self.with(|parts| {
            parts.queue.finish()?;
            parts.buffers.read(at, out)
        })
    }

    fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<()> {
        self.with(|parts| {
            parts.queue.finish()?;
            parts.buffers.copy(from, to, bytes)
        })
    }

    fn launch(&self, launch: &Launch) -> Result<()> {
        self.with(|parts| {
            let pipeline = parts.kernels.pipeline(launch)?;
            parts.queue.launch(pipeline, launch, &parts.buffers)
        })
    }

    fn multiply(&self, matrices: &MatMul) -> Result<()> {
        let Some(launch) = product(matrices)? else {
            return Ok(());
        };
        self.launch(&launch)?;
        // It takes as long as many others.
        self.with(|parts| {
            parts.queue.commit();
            Ok(())
        })
    }

    /// To encode a launch costs little beside what it takes to run.
    fn record(&self, _list: &[Launch]) -> Result<Option<u64>> {
        Ok(None)
    }

    fn replay(&self, recorded: u64) -> Result<()> {
        Err(Error::Msg(format!("launches {recorded} were not recorded")))
    }

    fn forget(&self, _recorded: u64) {}

    /// Metal does not say; between those of an M1 and of a Max.
    fn multiprocessors(&self) -> u32 {
        16
    }

    fn limits(&self) -> Limits {
        Limits::NARROW
    }

    fn memory(&self) -> Option<(u64, u64)> {
        memory::free_and_all(&self.device)
    }
}
