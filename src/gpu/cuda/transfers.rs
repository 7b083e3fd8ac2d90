//! Bytes to and from the device, by way of memory that it can reach.

#![allow(unsafe_code, reason = "driver calls for which there are no safe ones")]

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::result;

use super::errors::Named;
use super::stream::Stream;

/// Uploads of up to so many bytes do not wait for the device.
const SMALL: usize = 64 << 10;
/// Room for small uploads that the device has not fetched yet.
const ROOM: usize = 1 << 20;
/// Most bytes that are read at once.
const PIECE: usize = 8 << 20;

pub struct Transfers {
    up: Pinned,
    /// Bytes of `up` that the device may still have to fetch.
    used: usize,
    down: Pinned,
}

impl Transfers {
    pub fn new() -> Result<Self> {
        Ok(Self {
            up: Pinned::new(ROOM)?,
            used: 0,
            down: Pinned::new(SMALL)?,
        })
    }

    pub fn upload(&mut self, stream: &Stream, at: u64, data: &[u8]) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        if data.len() > SMALL {
            // SAFETY: `data` stays until the device has all of it; `at` is the caller's promise.
            let sent = unsafe { result::memcpy_htod_async(at, data, stream.raw()) };
            sent.named("cuMemcpyHtoDAsync")?;
            return self.wait(stream);
        }
        if ROOM - self.used < data.len() {
            self.wait(stream)?;
        }
        let staged = &mut self.up.bytes()[self.used..][..data.len()];
        staged.copy_from_slice(data);
        // SAFETY: this part of the buffer is not written again before the device has been waited for.
        let sent = unsafe { result::memcpy_htod_async(at, staged, stream.raw()) };
        self.used = (self.used + data.len()).next_multiple_of(64).min(ROOM);
        sent.named("cuMemcpyHtoDAsync")
    }

    pub fn read(&mut self, stream: &Stream, at: u64, out: &mut [u8]) -> Result<()> {
        if out.is_empty() {
            return self.wait(stream);
        }
        let mut from = at;
        for piece in out.chunks_mut(PIECE) {
            if self.down.len < piece.len() {
                self.down = Pinned::new(piece.len().next_power_of_two())?;
            }
            let buffer = &mut self.down.bytes()[..piece.len()];
            // SAFETY: the buffer is touched again only when the device is done with it.
            let asked = unsafe { result::memcpy_dtoh_async(buffer, from, stream.raw()) };
            asked.named("cuMemcpyDtoHAsync")?;
            self.wait(stream)?;
            piece.copy_from_slice(&self.down.bytes()[..piece.len()]);
            from += piece.len() as u64;
        }
        Ok(())
    }

    fn wait(&mut self, stream: &Stream) -> Result<()> {
        stream.wait()?;
        self.used = 0;
        Ok(())
    }
}

/// Memory of the host that does not move, so that the device can fetch from it by itself.
struct Pinned {
    at: *mut u8,
    len: usize,
}

// SAFETY: it is memory like other memory, and has one owner.
unsafe impl Send for Pinned {}

impl Pinned {
    fn new(len: usize) -> Result<Self> {
        // SAFETY: the bytes are set before a slice of them is made.
        let at = unsafe { result::malloc_host(len, 0) }.named("cuMemHostAlloc")?;
        let at: *mut u8 = at.cast();
        // SAFETY: `len` bytes from `at` were just given to us.
        unsafe { at.write_bytes(0, len) };
        Ok(Self { at, len })
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: `len` bytes from `at` are ours and set, and are borrowed as `self` is.
        unsafe { std::slice::from_raw_parts_mut(self.at, self.len) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: it came from `malloc_host`; the device is done with it, or broken.
        let _ = unsafe { result::free_host(self.at.cast()) };
    }
}
