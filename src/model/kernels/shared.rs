//! Handing disjoint parts of one output slice to the pool's threads.

#![allow(unsafe_code, reason = "hands disjoint parts of one slice to threads")]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

/// A slice cut into equal chunks (the last may be shorter), each of which one thread can claim.
/// Claims are checked, so that a wrong plan is an error and never a data race.
pub struct Chunks<'a, T> {
    data: &'a [UnsafeCell<T>],
    size: usize,
    claimed: Vec<AtomicBool>,
}

// SAFETY: `claim` gives every chunk out at most once, so no element is reachable from two threads.
unsafe impl<T: Send> Sync for Chunks<'_, T> {}

impl<'a, T> Chunks<'a, T> {
    /// Cuts `data` into chunks of `size` elements, `size` at least 1.
    pub fn new(data: &'a mut [T], size: usize) -> Self {
        let size = size.max(1);
        let claimed = (0..data.len().div_ceil(size))
            .map(|_| AtomicBool::new(false))
            .collect();
        // SAFETY: `UnsafeCell<T>` has the layout of `T`, and the exclusive borrow lasts for `'a`.
        let data = unsafe { &*(data as *mut [T] as *const [UnsafeCell<T>]) };
        Chunks {
            data,
            size,
            claimed,
        }
    }

    /// Chunk `index`, or nothing if there is no such chunk or it was given out before.
    pub fn claim(&self, index: usize) -> Option<&'a mut [T]> {
        if self.claimed.get(index)?.swap(true, Ordering::AcqRel) {
            return None;
        }
        let start = index * self.size;
        let end = (start + self.size).min(self.data.len());
        let part = &self.data[start..end];
        // SAFETY: chunks do not overlap, this one was not claimed before and the swap lets only
        // one caller through; the data stays borrowed exclusively for `'a`.
        Some(unsafe {
            std::slice::from_raw_parts_mut(UnsafeCell::raw_get(part.as_ptr()), part.len())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_is_given_out_once() {
        let mut data = [0u32; 10];
        let chunks = Chunks::new(&mut data, 4);
        for i in [2, 0, 1] {
            if let Some(part) = chunks.claim(i) {
                part.fill(i as u32 + 1);
            }
        }
        assert!(chunks.claim(0).is_none() && chunks.claim(3).is_none());
        assert_eq!(data, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]);
    }
}
