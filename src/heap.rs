//! The allocator's own stock.

#![allow(unsafe_code, reason = "a call of the C library")]

/// Gives the system what was freed and is still kept for later: behind a turn that is much, and in
/// small pieces, which glibc returns only when it is asked.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes no pointer, and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
