//! Per-thread buffers that live from call to call, so that a decode step allocates next to nothing.

#![allow(unsafe_code, reason = "sees aligned arrays as one slice")]

use std::cell::Cell;

/// A cache line, for its alignment.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

thread_local! {
    static LINES: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// This thread's buffer; goes back to the thread when dropped. (Not a closure: a closure would be
/// compiled for the baseline instruction set.)
pub(super) struct Scratch(Vec<Line>);

impl Scratch {
    pub fn take() -> Self {
        Scratch(LINES.take())
    }

    /// Aligned slices of these lengths with unspecified contents.
    pub fn carve<const N: usize>(&mut self, lengths: [usize; N]) -> [&mut [f32]; N] {
        let total = lengths.iter().map(|n| n.div_ceil(16)).sum();
        if self.0.len() < total {
            self.0.resize(total, Line([0.0; 16]));
        }
        let mut rest = self.0[..total].as_flattened_f32();
        lengths.map(|n| {
            let (part, tail) = std::mem::take(&mut rest).split_at_mut(n.next_multiple_of(16));
            rest = tail;
            &mut part[..n]
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        LINES.set(std::mem::take(&mut self.0));
    }
}

trait Flatten {
    fn as_flattened_f32(&mut self) -> &mut [f32];
}

impl Flatten for [Line] {
    fn as_flattened_f32(&mut self) -> &mut [f32] {
        // SAFETY: a `Line` is sixteen f32 without padding.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr().cast(), self.len() * 16) }
    }
}
