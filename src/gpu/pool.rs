//! Memory of a device that is used again and again. What is freed is kept: the same steps in the same order get
//! the same addresses, so that a recorded step can be run again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use candle_core::Result;

use super::driver::Driver;

/// A slab holds pages of about so many bytes.
const SLAB: usize = 4 << 20;

/// A device's memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Usage {
    /// Taken from the driver, and the most of it at once since somebody began to count.
    pub allocated: u64,
    pub peak: u64,
    /// Buffers that are in use.
    pub buffers: u64,
    /// Slabs of the cache's pages, and of these the pages that are in use.
    pub slabs: u64,
    pub pages: u64,
    /// The most of buffers and pages in use at once, likewise.
    pub used_peak: u64,
}

impl Usage {
    /// Buffers and pages in use.
    pub fn used(&self) -> u64 {
        self.buffers + self.pages
    }

    fn note(&mut self) {
        self.peak = self.peak.max(self.allocated);
        self.used_peak = self.used_peak.max(self.used());
    }
}

/// What is kept of freed memory, and the slabs.
#[derive(Default)]
pub(super) struct Pool {
    pub usage: Usage,
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
pub fn class(bytes: usize) -> usize {
    let step = (bytes.max(2048).next_power_of_two() / 16).max(256);
    bytes.max(1).next_multiple_of(step)
}

impl Pool {
    /// Memory of `bytes` bytes, a [`class`], at the lowest address there is.
    pub fn take(&mut self, driver: &dyn Driver, bytes: usize) -> Result<u64> {
        if let Some(at) = self.free.get_mut(&bytes).and_then(BTreeSet::pop_first) {
            self.hand_out(bytes);
            return Ok(at);
        }
        let at = driver.alloc(bytes)?;
        self.usage.allocated += bytes as u64;
        self.hand_out(bytes);
        Ok(at)
    }

    fn hand_out(&mut self, bytes: usize) {
        self.usage.buffers += bytes as u64;
        self.usage.note();
    }

    pub fn put(&mut self, at: u64, bytes: usize) {
        self.usage.buffers -= bytes as u64;
        self.free.entry(bytes).or_default().insert(at);
    }

    pub fn take_page(&mut self, driver: &dyn Driver, bytes: usize) -> Result<u64> {
        if let Some(at) = self.pages.entry(bytes).or_default().free.pop_first() {
            self.usage.pages += bytes as u64;
            self.usage.note();
            return Ok(at);
        }
        let count = (SLAB / bytes).max(1);
        let slab = driver.alloc(count * bytes)?;
        self.usage.allocated += (count * bytes) as u64;
        self.usage.slabs += (count * bytes) as u64;
        self.usage.pages += bytes as u64;
        self.usage.note();
        let pages = self.pages.entry(bytes).or_default();
        pages.slabs.push((slab, count));
        pages
            .free
            .extend((1..count).map(|i| slab + (i * bytes) as u64));
        Ok(slab)
    }

    pub fn put_page(&mut self, at: u64, bytes: usize) {
        self.usage.pages -= bytes as u64;
        self.pages.entry(bytes).or_default().free.insert(at);
    }

    /// Gives the driver back what nobody uses; nothing that was enqueued may use it.
    pub fn trim(&mut self, driver: &dyn Driver) {
        for (bytes, addresses) in std::mem::take(&mut self.free) {
            for at in addresses {
                driver.free(at, bytes);
                self.usage.allocated -= bytes as u64;
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
                self.usage.allocated -= (count * bytes) as u64;
                self.usage.slabs -= (count * bytes) as u64;
                false
            });
        }
    }

    /// Counts the most anew.
    pub fn forget_peak(&mut self) {
        self.usage.peak = self.usage.allocated;
        self.usage.used_peak = self.usage.used();
    }
}
