//! Ctrl-C for the commands without a screen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that the first Ctrl-C (or SIGTERM, SIGHUP, SIGQUIT) sets, so that the work can stop and keep what it
/// has. A second one ends the process at once with status 130, for when the work cannot look at
/// the flag, unless it is a SIGHUP: a terminal that is closed may send several. It holds from the
/// return on: no signal falls between.
pub fn on_interrupt() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = flag.clone();
    watch(move |ends| {
        if seen.swap(true, Ordering::SeqCst) && ends {
            std::process::exit(130);
        }
    });
    flag
}

/// Calls `hear` for each signal, with whether a second one ends all, on a thread that ends with the
/// process. Where the handler is not to be had, Ctrl-C still ends it, only without the partial answer.
#[cfg(unix)]
fn watch(hear: impl Fn(bool) + Send + 'static) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    // A terminal that is closed is no end for what `nohup` began.
    let heard = [SIGHUP, SIGQUIT].into_iter();
    let heard = heard.filter(|&signal| !crate::bus::ignored(signal));
    let heard = heard.chain([SIGINT, SIGTERM]);
    let Ok(mut signals) = signal_hook::iterator::Signals::new(heard) else {
        return;
    };
    let _ = std::thread::Builder::new()
        .name("interrupt".into())
        .spawn(move || {
            let signals = signals.forever();
            signals.for_each(|signal| hear(signal != SIGHUP));
        });
}

#[cfg(not(unix))]
fn watch(hear: impl Fn(bool) + Send + 'static) {
    let _ = std::thread::Builder::new()
        .name("interrupt".into())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                while tokio::signal::ctrl_c().await.is_ok() {
                    hear(true);
                }
            });
        });
}
