//! What the pool is made of: the system's threads and atomics or, built with `--cfg loom`, those of a
//! model checker that tries the orders in which they can act (`fuzz/loom`).

#![allow(unsafe_code, reason = "shares a value between threads")]

#[cfg(loom)]
pub use loom::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize},
    },
    thread::{self, JoinHandle, Thread},
};
#[cfg(not(loom))]
pub use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize},
    },
    thread::{self, JoinHandle, Thread},
};

/// A value that is written by one thread and then read by others, as they agree by other means.
pub struct Slot<T> {
    #[cfg(not(loom))]
    value: std::cell::UnsafeCell<T>,
    #[cfg(loom)]
    value: loom::cell::UnsafeCell<T>,
}

impl<T: Copy> Slot<T> {
    pub fn new(value: T) -> Slot<T> {
        Slot {
            #[cfg(not(loom))]
            value: std::cell::UnsafeCell::new(value),
            #[cfg(loom)]
            value: loom::cell::UnsafeCell::new(value),
        }
    }

    /// # Safety
    /// Nobody writes meanwhile.
    pub unsafe fn read(&self) -> T {
        // SAFETY: as the caller promises.
        #[cfg(not(loom))]
        return unsafe { *self.value.get() };
        // SAFETY: as the caller promises; the checker looks.
        #[cfg(loom)]
        return self.value.with(|value| unsafe { *value });
    }

    /// # Safety
    /// Nobody else reads or writes meanwhile.
    pub unsafe fn write(&self, new: T) {
        // SAFETY: as the caller promises.
        #[cfg(not(loom))]
        unsafe {
            *self.value.get() = new;
        }
        // SAFETY: as the caller promises; the checker looks.
        #[cfg(loom)]
        self.value.with_mut(|value| unsafe { *value = new });
    }
}
