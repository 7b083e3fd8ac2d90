//! WORK IN A PROCESS OF ITS OWN, for what was not written to be attacked or cannot be bounded from
//! within: the program runs itself as a helper, which watches its own time and memory. Whatever
//! happens to it, the caller goes on.

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How a helper ends when a bound is reached.
pub const TOO_SLOW: u8 = 71;
pub const TOO_LARGE: u8 = 72;

static HELPERS: AtomicBool = AtomicBool::new(false);

/// From now on there are helpers: the running program calls their functions at its start.
pub fn use_helpers() {
    HELPERS.store(true, Ordering::SeqCst);
}

/// Whether there are.
pub fn helpers() -> bool {
    HELPERS.load(Ordering::SeqCst)
}

/// In the helper: ends the process when it has taken so long, or so much memory.
pub fn bound(time: Duration, memory: usize) {
    // Nobody would read it.
    std::panic::set_hook(Box::new(|_| {}));
    let begun = Instant::now();
    std::thread::spawn(move || {
        loop {
            // Nothing else can end work that a library is in the middle of.
            if begun.elapsed() > time {
                std::process::exit(TOO_SLOW.into());
            }
            if memory_stats::memory_stats().is_some_and(|m| m.physical_mem > memory) {
                std::process::exit(TOO_LARGE.into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    });
}

/// How often somebody who waits for a helper is asked whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What came of a helper.
#[derive(Debug)]
pub enum Answer {
    /// Its status, and the beginning of its output.
    Ended(Option<i32>, Vec<u8>),
    /// Nobody wanted it any more: it was ended.
    Stopped,
}

/// Runs the helper with `arguments` and gives it `input`; at most `limit` bytes of its output are read.
/// It is ended as soon as `stopped` holds.
///
/// # Errors
/// What the system says when there is no process to be had.
pub fn call(
    arguments: &[&str],
    input: &[u8],
    limit: usize,
    stopped: &dyn Fn() -> bool,
) -> io::Result<Answer> {
    // The running program, also where its file was replaced meanwhile.
    let program = match cfg!(target_os = "linux") {
        true => "/proc/self/exe".into(),
        false => std::env::current_exe()?,
    };
    let mut command = Command::new(program);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        // Ctrl-C is for the caller; the helper ends by itself.
        command.process_group(0);
    }
    let mut child = command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (tell, told) = channel();
    let read = std::thread::scope(|scope| {
        scope.spawn(move || {
            // One that ended early is judged by how it ended.
            let _ = stdin.map(|mut pipe| pipe.write_all(input));
        });
        scope.spawn(move || {
            let mut answer = Vec::new();
            let read = stdout.map_or(Ok(0), |pipe| {
                pipe.take(limit as u64).read_to_end(&mut answer)
            });
            let _ = tell.send(read.map(|_| answer));
        });
        let read = loop {
            match told.recv_timeout(LOOK_EVERY) {
                Err(RecvTimeoutError::Timeout) if stopped() => break None,
                Err(RecvTimeoutError::Timeout) => {}
                Ok(read) => break Some(read),
                Err(RecvTimeoutError::Disconnected) => {
                    break Some(Err(io::Error::other("nobody read what it says")));
                }
            }
        };
        // With it both pipes end, and the threads that hold their other sides.
        if !matches!(read, Some(Ok(_))) {
            let _ = child.kill();
        }
        read
    });
    let status = child.wait()?;
    match read {
        Some(answer) => Ok(Answer::Ended(status.code(), answer?)),
        None => Ok(Answer::Stopped),
    }
}
