//! What holds a device's memory, and gives it back when it is dropped.

use std::sync::Arc;

use candle_core::Result;

use super::executor::Gpu;
use super::pool::class;

/// Memory of the device.
pub struct Buffer {
    gpu: Arc<Gpu>,
    at: u64,
    bytes: usize,
}

impl Gpu {
    /// Memory of at least `bytes` bytes; what is in it is anything.
    pub fn buffer(self: &Arc<Self>, bytes: usize) -> Result<Buffer> {
        let bytes = class(bytes);
        Ok(Buffer {
            at: self.take(|pool, driver| pool.take(driver, bytes))?,
            gpu: self.clone(),
            bytes,
        })
    }

    /// A buffer with these bytes.
    pub fn upload<T: bytemuck::NoUninit>(self: &Arc<Self>, data: &[T]) -> Result<Buffer> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        let buffer = self.buffer(bytes.len())?;
        self.write(buffer.at(), bytes)?;
        Ok(buffer)
    }

    /// A page of a layer; of a full device an error.
    pub fn page(self: &Arc<Self>, bytes: usize) -> Result<Page> {
        Ok(Page {
            at: self.take(|pool, driver| pool.take_page(driver, bytes))?,
            gpu: self.clone(),
            bytes,
        })
    }
}

impl Buffer {
    /// Its address.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Bytes asked for, rounded up.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.gpu.give_back(self.at, self.bytes);
    }
}

/// A page of a slab.
pub struct Page {
    gpu: Arc<Gpu>,
    at: u64,
    bytes: usize,
}

impl Page {
    pub fn at(&self) -> u64 {
        self.at
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.gpu.give_page_back(self.at, self.bytes);
    }
}
