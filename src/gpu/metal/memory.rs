//! Memory that the device and the host share.

#![allow(unsafe_code, reason = "memory of the device by its address")]

use std::collections::BTreeMap;

use candle_core::{Error, Result};
use objc2::{rc::Retained, runtime::ProtocolObject};
use objc2_metal::{MTLBuffer, MTLDevice, MTLResource, MTLResourceOptions};

use super::device::Device;
use crate::gpu::driver::out_of_memory;

/// What is asked for where less is needed, and what all addresses are multiples of.
const LEAST: usize = 256;

type Raw = Retained<ProtocolObject<dyn MTLBuffer>>;

/// All there is, by its address.
pub struct Buffers {
    device: Device,
    all: BTreeMap<u64, Raw>,
}

// SAFETY: a buffer may be used by any thread; these have one user at a time.
unsafe impl Send for Buffers {}

impl Buffers {
    pub fn new(device: &Device) -> Self {
        Buffers {
            device: device.clone(),
            all: BTreeMap::new(),
        }
    }

    pub fn alloc(&mut self, bytes: usize) -> Result<u64> {
        let free = free_and_all(&self.device).map(|(free, _)| free);
        // Metal gives more than there is, and fails when it is used.
        if free.is_some_and(|free| bytes as u64 > free) || bytes > self.device.maxBufferLength() {
            return Err(out_of_memory(bytes, free));
        }
        let options = MTLResourceOptions::StorageModeShared;
        let made = self
            .device
            .newBufferWithLength_options(bytes.max(LEAST), options);
        let Some(buffer) = made else {
            return Err(out_of_memory(bytes, free));
        };
        let at = buffer.gpuAddress();
        if at == 0 || at % LEAST as u64 != 0 {
            return Err(Error::Msg(format!("Metal gives memory at {at:#x}")));
        }
        self.all.insert(at, buffer);
        Ok(at)
    }

    /// Nothing that was enqueued uses it any more.
    pub fn free(&mut self, at: u64) {
        self.all.remove(&at);
    }

    /// As what Metal wants to be told of.
    pub fn resources(&self) -> impl Iterator<Item = &ProtocolObject<dyn MTLResource>> {
        self.all
            .values()
            .map(|buffer| ProtocolObject::from_ref(&**buffer))
    }

    /// Where the host finds `bytes` bytes, as long as the buffer is not freed.
    fn place(&self, at: u64, bytes: usize) -> Result<*mut u8> {
        let found = self.all.range(..=at).next_back();
        let inside = found.and_then(|(start, buffer)| {
            let from = usize::try_from(at - start).ok()?;
            let fits = from.checked_add(bytes)? <= buffer.length();
            fits.then(|| (buffer.contents().as_ptr().cast::<u8>(), from))
        });
        let Some((contents, from)) = inside else {
            let text = format!("{bytes} bytes at {at:#x} are no memory of the GPU");
            return Err(Error::Msg(text));
        };
        // SAFETY: within the buffer, as was just seen.
        Ok(unsafe { contents.add(from) })
    }

    /// Nothing runs that looks at it.
    pub fn write(&self, at: u64, data: &[u8]) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let to = self.place(at, data.len())?;
        // SAFETY: as many bytes are there, and they are not `data`'s, which the host owns.
        unsafe { to.copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        Ok(())
    }

    /// Nothing runs that writes it.
    pub fn read(&self, at: u64, out: &mut [u8]) -> Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        let from = self.place(at, out.len())?;
        // SAFETY: as many bytes are there, and they are not `out`'s.
        unsafe { from.copy_to_nonoverlapping(out.as_mut_ptr(), out.len()) };
        Ok(())
    }

    /// Nothing runs that looks at either.
    pub fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        let (from, to) = (self.place(from, bytes)?, self.place(to, bytes)?);
        // SAFETY: as many bytes are at both places, which may overlap.
        unsafe { from.copy_to(to, bytes) };
        Ok(())
    }
}

/// What the system recommends to use at most, and what is left of it.
pub fn free_and_all(device: &ProtocolObject<dyn MTLDevice>) -> Option<(u64, u64)> {
    let all = device.recommendedMaxWorkingSetSize();
    (all > 0).then(|| {
        let used = device.currentAllocatedSize() as u64;
        (all.saturating_sub(used), all)
    })
}
