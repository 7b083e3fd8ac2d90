//! The one queue in which all happens: launches are written down, sent to the device some at a time, and waited for.

#![allow(
    unsafe_code,
    reason = "calls of Metal for which there are no safe ones"
)]

use std::ffi::c_void;
use std::ptr::NonNull;

use candle_core::Result;
use objc2::{rc::Retained, runtime::ProtocolObject};
use objc2_metal::{
    MTLBarrierScope, MTLCommandBuffer, MTLCommandBufferStatus, MTLCommandEncoder, MTLCommandQueue,
    MTLComputeCommandEncoder, MTLDevice, MTLDispatchType, MTLResourceUsage, MTLSize,
};

use super::device::Device;
use super::errors::failed;
use super::kernels::Pipeline;
use super::memory::Buffers;
use crate::gpu::driver::Launch;

/// Launches that are sent at once: the device should have something to do while the host writes down more.
const MOST: usize = 32;
/// A launch of so many groups is the last of those: the system ends what takes seconds.
const LARGE: usize = 4096;

pub struct Queue {
    queue: Retained<ProtocolObject<dyn MTLCommandQueue>>,
    open: Option<Open>,
    sent: Vec<Retained<ProtocolObject<dyn MTLCommandBuffer>>>,
}

/// Launches that are being written down.
struct Open {
    list: Retained<ProtocolObject<dyn MTLCommandBuffer>>,
    encoder: Retained<ProtocolObject<dyn MTLComputeCommandEncoder>>,
    launches: usize,
}

// SAFETY: Metal's lists and encoders may go from thread to thread; these have one user at a time.
unsafe impl Send for Queue {}

impl Queue {
    pub fn new(device: &Device) -> Result<Self> {
        let queue = device.newCommandQueue();
        Ok(Queue {
            queue: queue.ok_or_else(|| failed("newCommandQueue", None))?,
            open: None,
            sent: Vec::new(),
        })
    }

    /// Behind all that was launched before.
    pub fn launch(&mut self, with: &Pipeline, launch: &Launch, buffers: &Buffers) -> Result<()> {
        let [x, y, z] = launch.grid.map(|n| n as usize);
        if x == 0 || y == 0 || z == 0 {
            return Ok(());
        }
        if self.open.is_none() {
            self.open = Some(self.begin(buffers)?);
        }
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let encoder = &open.encoder;
        encoder.setComputePipelineState(with);
        // All of them are there, used or not; a kernel takes as many as it knows.
        let arguments = NonNull::from(&launch.arguments).cast::<c_void>();
        // Kernels have an argument for shared memory in any case, and Metal no place for none of it.
        let shared = (launch.shared as usize).next_multiple_of(16).max(16);
        // SAFETY: Metal copies the arguments before it returns; both places are those that `kernels/metal.h` names. What
        // the arguments point at is the caller's promise.
        unsafe {
            encoder.setBytes_length_atIndex(arguments, launch.arguments.len(), 0);
            encoder.setThreadgroupMemoryLength_atIndex(shared, 0);
        }
        let size = |[width, height, depth]: [usize; 3]| MTLSize {
            width,
            height,
            depth,
        };
        let threads = size([launch.threads as usize, 1, 1]);
        encoder.dispatchThreadgroups_threadsPerThreadgroup(size([x, y, z]), threads);
        // The next one sees all that this one wrote.
        encoder.memoryBarrierWithScope(MTLBarrierScope::Buffers);
        open.launches += 1;
        if open.launches >= MOST || x * y * z >= LARGE {
            self.commit();
        }
        Ok(())
    }

    /// A list that may use all memory there is; so Metal lets it wait for those before it.
    fn begin(&self, buffers: &Buffers) -> Result<Open> {
        let list = self.queue.commandBuffer();
        let list = list.ok_or_else(|| failed("commandBuffer", None))?;
        let encoder = list.computeCommandEncoderWithDispatchType(MTLDispatchType::Concurrent);
        let encoder = encoder.ok_or_else(|| failed("computeCommandEncoder", None))?;
        let usage = MTLResourceUsage::Read | MTLResourceUsage::Write;
        for resource in buffers.resources() {
            encoder.useResource_usage(resource, usage);
        }
        Ok(Open {
            list,
            encoder,
            launches: 0,
        })
    }

    /// Sends what is written down.
    pub fn commit(&mut self) {
        if let Some(open) = self.open.take() {
            open.encoder.endEncoding();
            open.list.commit();
            self.sent.push(open.list);
        }
    }

    /// Until all that was launched is done.
    ///
    /// # Errors
    /// What went wrong in it.
    pub fn finish(&mut self) -> Result<()> {
        self.commit();
        let mut all = Ok(());
        for list in self.sent.drain(..) {
            list.waitUntilCompleted();
            if list.status() != MTLCommandBufferStatus::Completed && all.is_ok() {
                all = Err(failed("a list of launches", list.error().as_deref()));
            }
        }
        all
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}
