//! Memory of a device that is used again and again. What is freed is kept: the same steps in the same order get
//! the same addresses, so that a recorded step can be run again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use candle_core::Result;

use super::driver::Driver;

/// A slab holds pages of about so many bytes.
const SLAB: usize = 4 << 20;

/// What is kept of freed memory, and the slabs.
#[derive(Default)]
pub(super) struct Pool {
    free: BTreeMap<usize, BTreeSet<u64>>,
    pages: HashMap<usize, Pages>,
}

#[derive(Default)]
struct Pages {
    free: BTreeSet<u64>,
    /// Where they begin, and of how many pages.
    slabs: Vec<(u64, usize)>,
}

/// Sizes are rounded up to an eighth of their power of two, so that few kinds of buffers are kept.
pub(super) fn class(bytes: usize) -> usize {
    let step = (bytes.max(2048).next_power_of_two() / 16).max(256);
    bytes.max(1).next_multiple_of(step)
}

impl Pool {
    /// Memory of `bytes` bytes, a [`class`], at the lowest address there is.
    pub fn take(&mut self, driver: &dyn Driver, bytes: usize) -> Result<u64> {
        if let Some(at) = self.free.get_mut(&bytes).and_then(BTreeSet::pop_first) {
            return Ok(at);
        }
        let at = driver.alloc(bytes)?;
        Ok(at)
    }

    pub fn put(&mut self, at: u64, bytes: usize) {
        self.free.entry(bytes).or_default().insert(at);
    }

    pub fn take_page(&mut self, driver: &dyn Driver, bytes: usize) -> Result<u64> {
        if let Some(at) = self.pages.entry(bytes).or_default().free.pop_first() {
            return Ok(at);
        }
        let count = (SLAB / bytes).max(1);
        let slab = driver.alloc(count * bytes)?;
        let pages = self.pages.entry(bytes).or_default();
        pages.slabs.push((slab, count));
        pages
            .free
            .extend((1..count).map(|i| slab + (i * bytes) as u64));
        Ok(slab)
    }

    pub fn put_page(&mut self, at: u64, bytes: usize) {
        self.pages.entry(bytes).or_default().free.insert(at);
    }

    /// Gives the driver back what nobody uses; nothing that was enqueued may use it.
    pub fn trim(&mut self, driver: &dyn Driver) {
        for (bytes, addresses) in std::mem::take(&mut self.free) {
            for at in addresses {
                driver.free(at, bytes);
            }
        }
        for (&bytes, pages) in &mut self.pages {
            let free = &mut pages.free;
            pages.slabs.retain(|&(slab, count)| {
                let end = slab + (count * bytes) as u64;
                if free.range(slab..end).count() < count {
                    return true;
                }
                (0..count).for_each(|i| {
                    free.remove(&(slab + (i * bytes) as u64));
                });
                driver.free(slab, count * bytes);
                false
            });
        }
    }
}
