//! What runs in the handler may only call what POSIX allows there: no allocation, no lock.

#![allow(
    unsafe_code,
    reason = "signal handlers, and the calls that are allowed in them"
)]

use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

/// What the terminal was like before it was taken; null while it is not ours. Never freed, since
/// a handler may look at it at any moment.
static TERMINAL: AtomicPtr<libc::termios> = AtomicPtr::new(std::ptr::null_mut());
/// By which of our files it is reached: any may be something else.
static REACHED: AtomicI32 = AtomicI32::new(libc::STDIN_FILENO);

/// Mouse, bracketed paste and focus off; the other screen left; the cursor shown.
const RESTORE: &[u8] = b"\x1b[?1006l\x1b[?1015l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?2004l\
    \x1b[?1004l\x1b[?2026l\x1b[?1049l\x1b[?25h";
const BUS: &[u8] = b"cachat: a file that was in use (the model, or a saved cache) was cut short \
    or replaced, or its disk failed.\nStart cachat again; what was said before is saved. To replace a \
    model, move the new file there (mv) rather than copying over the old one.\n";
const ABORT: &[u8] = b"cachat: it had to end at once, out of memory or by a fault of its own; \
    what was said before is saved.\nA smaller model, or a smaller --budget, takes less memory.\n";

/// Remembers how the terminal is, before it is taken.
pub fn remember_terminal() {
    if !TERMINAL.load(Ordering::SeqCst).is_null() {
        return;
    }
    for file in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: a termios is plain numbers, and `tcgetattr` fills it or fails.
        let mut seen: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: `seen` is a termios of ours.
        if unsafe { libc::tcgetattr(file, &raw mut seen) } == 0 {
            REACHED.store(file, Ordering::SeqCst);
            TERMINAL.store(Box::into_raw(Box::new(seen)), Ordering::SeqCst);
            return;
        }
    }
}

/// The terminal was given back.
pub fn forget_terminal() {
    // Some bytes are lost at each suspension, for a handler may be reading them.
    TERMINAL.store(std::ptr::null_mut(), Ordering::SeqCst);
}

extern "C" fn end(signal: libc::c_int) {
    let say = |to: libc::c_int, what: &[u8]| {
        // SAFETY: `write` is async-signal-safe, and the bytes are static.
        let _ = unsafe { libc::write(to, what.as_ptr().cast(), what.len()) };
    };
    let terminal = TERMINAL.load(Ordering::SeqCst);
    if !terminal.is_null() {
        say(libc::STDOUT_FILENO, RESTORE);
        // SAFETY: `tcsetattr` is async-signal-safe, and the termios is never freed.
        unsafe { libc::tcsetattr(REACHED.load(Ordering::SeqCst), libc::TCSANOW, terminal) };
    }
    say(
        libc::STDERR_FILENO,
        if signal == libc::SIGBUS { BUS } else { ABORT },
    );
    // SAFETY: ends the process, with nothing of it run.
    unsafe { libc::_exit(1) }
}

/// Whether nobody is to hear this signal, as `nohup` and a shell's `&` begin programs.
pub fn ignored(signal: i32) -> bool {
    // SAFETY: a sigaction of zeroes is a valid one, and the call does nothing but fill it.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

/// From now on both ends are said, and a file that may not grow further is an error and no end.
pub fn install() {
    // SAFETY: a sigaction of zeroes is a valid one; `end` keeps to what is allowed in handlers.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = end as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // On the stack that Rust keeps for overflows, once, and a fault within is the end.
        action.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND;
        libc::sigemptyset(&raw mut action.sa_mask);
        for signal in [libc::SIGBUS, libc::SIGABRT] {
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}
