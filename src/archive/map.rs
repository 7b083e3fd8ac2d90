//! A file's bytes in memory, as they are.

#![allow(unsafe_code, reason = "maps files")]

use std::fs::File;
use std::io;

use super::fault;
use crate::cache::Lent;
use crate::heap;

/// A mapped file. Where its bytes go away while it is mapped (somebody cut the file), zeros are read
/// in their place and [`Map::is_whole`] says so.
pub struct Map {
    map: memmap2::Mmap,
    guard: fault::Guard,
}

impl Map {
    pub fn new(file: &File) -> io::Result<Map> {
        // SAFETY: nobody who keeps to the rules changes a segment's file once it has its name; who does
        // not changes numbers, which are checked before use, or makes the file shorter, and for that
        // there is the guard.
        let map = unsafe { memmap2::Mmap::map(file)? };
        let guard = fault::Guard::new(map.as_ptr().addr()..map.as_ptr().addr() + map.len());
        Ok(Map { map, guard })
    }

    /// False once bytes were gone that somebody wanted to read.
    pub fn is_whole(&self) -> bool {
        !self.guard.struck()
    }

    /// Soon to be read, from the beginning to the end.
    pub fn expect(&self) {
        #[cfg(unix)]
        let _ = self.map.advise(memmap2::Advice::WillNeed);
    }

    /// Gives the memory of a part back; the bytes are there again when they are read.
    pub fn give_back(&self, at: usize, len: usize) {
        // Anonymous memory that stands in for lost bytes would be lost as well.
        if self.is_whole() {
            // SAFETY: a shared map of a file that was never written to through it.
            unsafe { heap::give_back_pages(&self.map, at, len) };
        }
    }
}

impl Lent for Map {
    fn bytes(&self) -> &[u8] {
        &self.map
    }
}

impl std::ops::Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}
