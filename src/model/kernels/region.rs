//! Where weights live: large anonymous mappings that the system is asked to back by huge pages.
//!
//! Decoding reads every weight once per token. On small pages it waits for address translation
//! rather than for memory: in a virtual machine huge pages read twice as fast.

#![allow(unsafe_code, reason = "owns a mapping")]

use std::sync::{Arc, Mutex, PoisonError, Weak};

use memmap2::{MmapMut, MmapRaw};

/// A cache line of weights.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Line(pub [u8; 64]);

/// Bytes of a huge page.
const HUGE: usize = if cfg!(miri) { 4096 } else { 2 << 20 };
/// Bytes of a mapping, at least: only what is written takes memory, but the huge page that its last lines are
/// on, all of it.
const MAPPING: usize = if cfg!(miri) { 1 << 16 } else { 256 << 20 };

/// One mapping, freed when nothing is left in it.
#[derive(Debug)]
struct Region {
    /// Raw: no reference to all of it may be made while parts of it are written.
    map: MmapRaw,
}

/// The mapping that is being filled, and how far, in bytes.
static CURRENT: Mutex<(Weak<Region>, usize)> = Mutex::new((Weak::new(), 0));

/// Lines in a mapping, owned like a `Box<[Line]>`.
#[derive(Debug)]
pub struct Lines {
    /// Zeroed lines at `start`, which belong to this value alone.
    start: *mut Line,
    len: usize,
    _region: Option<Arc<Region>>,
}

// SAFETY: plain bytes that belong to this value alone, like those of a `Box<[Line]>`.
unsafe impl Send for Lines {}
// SAFETY: as above; `&Lines` only reads.
unsafe impl Sync for Lines {}

impl Lines {
    /// `len` zero lines.
    ///
    /// # Errors
    /// When the system has no memory left.
    pub fn zeroed(len: usize) -> std::io::Result<Lines> {
        Lines::take(&CURRENT, len)
    }

    fn take(current: &Mutex<(Weak<Region>, usize)>, len: usize) -> std::io::Result<Lines> {
        let bytes = len
            .checked_mul(size_of::<Line>())
            .ok_or(std::io::ErrorKind::OutOfMemory)?;
        if bytes == 0 {
            return Ok(Lines {
                start: std::ptr::NonNull::dangling().as_ptr(),
                len: 0,
                _region: None,
            });
        }
        let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut region, mut at) = (current.0.upgrade(), current.1);
        if region.as_ref().is_none_or(|r| r.map.len() - at < bytes) {
            // Where little is left, no more than is needed.
            let map = MmapMut::map_anon(bytes.max(MAPPING) + HUGE)
                .or_else(|_| MmapMut::map_anon(bytes + HUGE))?;
            let map = MmapRaw::from(map);
            // A wish: where it is not granted everything works, at the speed of small pages.
            #[cfg(all(target_os = "linux", not(miri)))]
            let _ = map.advise(memmap2::Advice::HugePage);
            at = (map.as_ptr() as usize).next_multiple_of(HUGE) - map.as_ptr() as usize;
            let new = Arc::new(Region { map });
            current.0 = Arc::downgrade(&new);
            region = Some(new);
        }
        current.1 = at + bytes;
        let base = region.as_ref().map(|r| r.map.as_mut_ptr());
        let start = base.unwrap_or(std::ptr::null_mut()).wrapping_add(at);
        Ok(Lines {
            start: start.cast(),
            len,
            _region: region,
        })
    }
}

impl std::ops::Deref for Lines {
    type Target = [Line];

    fn deref(&self) -> &[Line] {
        // SAFETY: the mapping is alive and holds `len` lines at `start`, which is a multiple of 64
        // bytes from a page's start; a fresh mapping is zero and any bytes make a `Line`.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl std::ops::DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [Line] {
        // SAFETY: as above, and a mapping is filled once: no other value has these bytes.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_zero_apart_and_outlive_their_neighbours() {
        let many = if cfg!(miri) { 300 } else { 300_000 };
        let mut all: Vec<Lines> = [0, 1, 7, many, 3 * many, 7 * many, 3]
            .map(|n| Lines::zeroed(n).unwrap())
            .into();
        for (i, lines) in all.iter_mut().enumerate() {
            assert!(lines.iter().all(|line| line.0 == [0; 64]));
            lines.fill(Line([i as u8 + 1; 64]));
        }
        all.remove(1);
        all.remove(2);
        for (i, lines) in [0, 2, 4, 5, 6].iter().zip(&all) {
            assert!(lines.iter().all(|line| line.0 == [i + 1; 64]));
            assert!(lines.as_ptr().is_aligned());
        }
        assert!(Lines::zeroed(usize::MAX).is_err());
    }

    #[test]
    fn a_mapping_goes_with_its_last_lines() {
        let current = Mutex::new((Weak::new(), 0));
        let first = Lines::take(&current, 5).unwrap();
        let second = Lines::take(&current, 5).unwrap();
        let region = current.lock().unwrap().0.clone();
        drop(first);
        assert!(region.upgrade().is_some());
        drop(second);
        assert!(region.upgrade().is_none());
    }
}
