//! Memory that is given back to the system: the allocator's own stock, and pages of files.

#![allow(
    unsafe_code,
    reason = "a call of the C library, and advice on mapped files"
)]

/// Gives the system what was freed and is still kept for later: behind a turn that is much, and in
/// small pieces, which glibc returns only when it is asked.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes no pointer, and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Gives back the memory of `len` bytes of a mapped file from `at` on; they are there again when they are
/// read. Only whole pages of memory: what lies beside them may be in use.
///
/// # Safety
/// `map` must be the shared map of a file that is never written to through it, and still be backed by
/// that file: what stands in for it would be lost.
pub unsafe fn give_back_pages(map: &memmap2::Mmap, at: usize, len: usize) {
    #[cfg(unix)]
    {
        let page = 4096;
        let start = at.next_multiple_of(page);
        let end = (at + len).min(map.len()) / page * page;
        if start < end {
            let advice = memmap2::UncheckedAdvice::DontNeed;
            // SAFETY: the caller's word.
            let _ = unsafe { map.unchecked_advise_range(advice, start, end - start) };
        }
    }
    #[cfg(not(unix))]
    let _ = (map, at, len);
}
