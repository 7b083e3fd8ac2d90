//! Room for signals. A handler that runs on a stack of its own, as that of a cut file does, finds there what the
//! registers held: 8 KiB more once a thread has used tiles, and the standard library's stacks are hardly larger than that.

#![allow(unsafe_code, reason = "maps memory for a handler")]

use std::cell::Cell;
use std::ptr;

/// Bytes: the registers' and as much again for what a handler does.
const SIZE: usize = 64 << 10;

/// Memory that this thread's handlers run on, until it ends.
struct Stack(*mut libc::c_void);

thread_local! {
    static STACK: Cell<Option<Stack>> = const { Cell::new(None) };
}

/// Gives the calling thread a larger stack for signals, if it has none of ours. Without memory for it all stays as it
/// was.
pub fn widen() {
    // Where the thread is about to end, it is too late for that.
    let _ = STACK.try_with(|own| {
        let stack = own.take().or_else(Stack::new);
        own.set(stack);
    });
}

impl Stack {
    fn new() -> Option<Stack> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: fresh memory, which stays until the thread ends; a handler that runs has the old stack, and then
        // this changes nothing.
        unsafe {
            let at = libc::mmap(ptr::null_mut(), SIZE, access, kind, -1, 0);
            if at == libc::MAP_FAILED {
                return None;
            }
            let stack = Stack(at);
            let new = libc::stack_t {
                ss_sp: at,
                ss_flags: 0,
                ss_size: SIZE,
            };
            let old = ptr::null_mut();
            (libc::sigaltstack(&raw const new, old) == 0).then_some(stack)
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: nobody runs there any more: a thread ends on its own stack.
        unsafe {
            let mut now: libc::stack_t = std::mem::zeroed();
            let known = libc::sigaltstack(ptr::null(), &raw mut now) == 0;
            if known && now.ss_sp == self.0 {
                now.ss_flags = libc::SS_DISABLE;
                libc::sigaltstack(&raw const now, ptr::null_mut());
            }
            libc::munmap(self.0, SIZE);
        }
    }
}
