//! The handler, and the ranges that it looks at.

#![allow(unsafe_code, reason = "handles a signal")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Once, OnceLock};

use std::ops::Range;

use super::Guard;

/// Ranges that can be guarded at once. A file more is read unguarded, as any mapped file is.
const SLOTS: usize = 4096;

struct Slot {
    taken: AtomicBool,
    start: AtomicUsize,
    end: AtomicUsize,
    struck: AtomicBool,
}

static SLOT: [Slot; SLOTS] = [const {
    Slot {
        taken: AtomicBool::new(false),
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        struck: AtomicBool::new(false),
    }
}; SLOTS];

/// Slots ever taken: the handler looks no further.
static USED: AtomicUsize = AtomicUsize::new(0);
static MEMORY_PAGE: AtomicUsize = AtomicUsize::new(4096);
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

impl Guard {
    pub fn new(range: Range<usize>) -> Guard {
        install();
        let free = |slot: &&Slot| {
            slot.taken
                .compare_exchange(false, true, SeqCst, SeqCst)
                .is_ok()
        };
        let slot = SLOT.iter().position(|slot| free(&slot));
        if let Some(index) = slot {
            let slot = &SLOT[index];
            slot.struck.store(false, SeqCst);
            slot.start.store(range.start, SeqCst);
            slot.end.store(range.end, SeqCst);
            USED.fetch_max(index + 1, SeqCst);
        }
        Guard { slot }
    }

    /// Whether bytes of the range were gone when somebody read them.
    pub fn struck(&self) -> bool {
        self.slot.is_some_and(|slot| SLOT[slot].struck.load(SeqCst))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            SLOT[slot].end.store(0, SeqCst);
            SLOT[slot].start.store(0, SeqCst);
            SLOT[slot].taken.store(false, SeqCst);
        }
    }
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: plain questions to the system, with memory for the answers.
        unsafe {
            let page = libc::sysconf(libc::_SC_PAGESIZE);
            MEMORY_PAGE.store(usize::try_from(page).unwrap_or(4096).max(4096), SeqCst);
            let mut before: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut before) != 0 {
                return;
            }
            let _ = BEFORE.set(before);
            let mut action: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_fault;
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut());
        }
    });
}

/// Only what may be called in a handler: atomics, `mmap`, `sigaction`.
extern "C" fn on_fault(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the system passes a valid `info`.
    let at = unsafe { (*info).si_addr() }.addr();
    for slot in &SLOT[..USED.load(SeqCst)] {
        let (start, end) = (slot.start.load(SeqCst), slot.end.load(SeqCst));
        if !(start..end).contains(&at) {
            continue;
        }
        let page = MEMORY_PAGE.load(SeqCst);
        let address = std::ptr::without_provenance_mut(at / page * page);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        // SAFETY: the page lies in a map that the guard's owner holds and only reads; zeros take the
        // place of bytes that are gone.
        let zeros = unsafe { libc::mmap(address, page, libc::PROT_READ, flags, -1, 0) };
        if zeros != libc::MAP_FAILED {
            slot.struck.store(true, SeqCst);
            return;
        }
    }
    // Not ours: the read is tried again under who handled it before.
    // SAFETY: `BEFORE` is what the system told.
    unsafe {
        match BEFORE.get() {
            Some(before) => libc::sigaction(libc::SIGBUS, before, std::ptr::null_mut()),
            None => {
                libc::signal(libc::SIGBUS, libc::SIG_DFL);
                0
            }
        };
    }
}
