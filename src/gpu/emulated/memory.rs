//! The device's memory: the host's, in which what was never written reads as NaN.

#![allow(unsafe_code, reason = "memory by its address, as a device has it")]

use std::alloc::{Layout, alloc, dealloc};
use std::collections::BTreeMap;

use candle_core::{Result, bail};

use crate::gpu::driver::out_of_memory;

const ALIGNED: usize = 256;

/// All bits set: NaN as f32, f16 and bf16.
const UNSET: u8 = 0xff;

#[derive(Default)]
pub struct Memory {
    /// Bytes of each allocation, by its address.
    live: BTreeMap<u64, usize>,
    pub limit: Option<u64>,
    /// What was never written reads as zeros: for a device that writes nothing.
    pub blank: bool,
    pub used: u64,
    pub peak: u64,
}

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes.max(1), ALIGNED).ok()
}

impl Memory {
    pub fn alloc(&mut self, bytes: usize) -> Result<u64> {
        let left = self.limit.map(|limit| limit.saturating_sub(self.used));
        if left.is_some_and(|left| left < bytes as u64) {
            return Err(out_of_memory(bytes, left));
        }
        let Some(layout) = layout(bytes) else {
            return Err(out_of_memory(bytes, left));
        };
        // SAFETY: the layout has a size; what is returned is as large as is written to.
        let at = unsafe {
            let at = alloc(layout);
            if at.is_null() {
                return Err(out_of_memory(bytes, left));
            }
            at.write_bytes(if self.blank { 0 } else { UNSET }, layout.size());
            at as u64
        };
        self.live.insert(at, bytes);
        self.used += bytes as u64;
        self.peak = self.peak.max(self.used);
        Ok(at)
    }

    /// # Panics
    /// Where there is no such allocation: whoever frees has lost count, and the tests are to show it.
    pub fn free(&mut self, at: u64, bytes: usize) {
        let found = self.live.remove(&at);
        assert_eq!(found, Some(bytes), "{bytes} bytes at {at:#x} are freed");
        self.used -= bytes as u64;
        release(at, bytes);
    }

    /// Whether these bytes lie within one allocation.
    fn check(&self, at: u64, bytes: usize) -> Result<()> {
        let found = self.live.range(..=at).next_back();
        let inside = |(start, size): (&u64, &usize)| {
            usize::try_from(at - start).is_ok_and(|skip| skip <= *size && bytes <= size - skip)
        };
        if !found.is_some_and(inside) {
            bail!("{bytes} bytes at {at:#x} are not allocated");
        }
        Ok(())
    }

    pub fn write(&mut self, at: u64, data: &[u8]) -> Result<()> {
        self.check(at, data.len())?;
        // SAFETY: within an allocation, to which nobody has a reference.
        unsafe { (at as *mut u8).copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        Ok(())
    }

    pub fn read(&self, at: u64, out: &mut [u8]) -> Result<()> {
        self.check(at, out.len())?;
        // SAFETY: within an allocation, which is written to from its start.
        unsafe { (at as *const u8).copy_to_nonoverlapping(out.as_mut_ptr(), out.len()) };
        Ok(())
    }

    pub fn copy(&mut self, from: u64, to: u64, bytes: usize) -> Result<()> {
        self.check(from, bytes)?;
        self.check(to, bytes)?;
        if from.abs_diff(to) < bytes as u64 {
            bail!("{bytes} bytes at {from:#x} are copied to {to:#x}, among themselves");
        }
        // SAFETY: both within allocations, and apart.
        unsafe { (from as *const u8).copy_to_nonoverlapping(to as *mut u8, bytes) };
        Ok(())
    }

    /// Numbers in memory.
    pub fn numbers<T: bytemuck::AnyBitPattern>(&self, at: u64, count: usize) -> Result<&[T]> {
        self.check(at, count * size_of::<T>())?;
        if !(at as *const T).is_aligned() {
            bail!("numbers at {at:#x} are not aligned");
        }
        // SAFETY: aligned, within an allocation, and written to only through `&mut self`, but by kernels,
        // none of which runs meanwhile.
        Ok(unsafe { std::slice::from_raw_parts(at as *const T, count) })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for (at, bytes) in std::mem::take(&mut self.live) {
            release(at, bytes);
        }
    }
}

/// Gives back what [`Memory::alloc`] took, of which the table no longer knows.
fn release(at: u64, bytes: usize) {
    if let Some(layout) = layout(bytes) {
        let at = at as *mut u8;
        // SAFETY: allocated with this layout, and in the table until now. Who still looks there shall find
        // nothing: the write is volatile, or it would be left out.
        unsafe {
            for i in 0..layout.size() {
                at.add(i).write_volatile(UNSET);
            }
            dealloc(at, layout);
        }
    }
}
