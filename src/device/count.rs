//! What the operations would cost a GPU. Counted in this crate's own tests only: candle's devices
//! cannot be wrapped, and no machine of the tests has one.

use std::ops::{Add, Sub};

/// Work handed to a CUDA device by candle 0.11, as its backend's source has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Kernels, copies inside the device and clears.
    pub launches: usize,
    pub allocations: usize,
    /// Data copied to the device.
    pub uploads: usize,
    /// Shapes and strides copied to the device: candle sends them with every operation on a tensor
    /// that is not contiguous, with every reduction and with every selection of rows.
    pub parameters: usize,
    /// Copies to the host, each of which waits for the device.
    pub reads: usize,
}

impl Counts {
    /// `launches` kernels, each with a result of its own.
    pub(super) const fn kernels(launches: usize) -> Self {
        Counts {
            launches,
            allocations: launches,
            ..Counts::NONE
        }
    }

    pub(super) const NONE: Counts = Counts {
        launches: 0,
        allocations: 0,
        uploads: 0,
        parameters: 0,
        reads: 0,
    };
    /// Shapes and strides for one operation.
    pub(super) const PARAMETERS: Counts = Counts {
        allocations: 1,
        parameters: 1,
        ..Counts::NONE
    };
    pub(super) const UPLOAD: Counts = Counts {
        allocations: 1,
        uploads: 1,
        ..Counts::NONE
    };
    pub(super) const READ: Counts = Counts {
        reads: 1,
        ..Counts::NONE
    };
    /// One that writes into what is there.
    pub(super) const IN_PLACE: Counts = Counts {
        launches: 1,
        ..Counts::NONE
    };
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Counts {
            launches: self.launches + other.launches,
            allocations: self.allocations + other.allocations,
            uploads: self.uploads + other.uploads,
            parameters: self.parameters + other.parameters,
            reads: self.reads + other.reads,
        }
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Counts {
            launches: self.launches - other.launches,
            allocations: self.allocations - other.allocations,
            uploads: self.uploads - other.uploads,
            parameters: self.parameters - other.parameters,
            reads: self.reads - other.reads,
        }
    }
}

#[cfg(test)]
thread_local! {
    static SO_FAR: std::cell::Cell<Counts> = const { std::cell::Cell::new(Counts::NONE) };
}

/// What this thread has handed over so far.
#[cfg(test)]
pub fn so_far() -> Counts {
    SO_FAR.get()
}

/// Nothing outside tests.
#[inline(always)]
pub(super) fn count(_more: Counts) {
    #[cfg(test)]
    SO_FAR.set(SO_FAR.get() + _more);
}
