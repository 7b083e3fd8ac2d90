//! Ctrl-C for the commands without a screen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that the first Ctrl-C (or SIGTERM) sets, so that the work can stop and keep what it
/// has; `stop` is called as well. A second one ends the process at once with status 130, for when
/// the work cannot look at the flag.
pub fn on_interrupt(stop: impl Fn() + Send + 'static) -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = flag.clone();
    let watch = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        // Without a runtime Ctrl-C still ends the process, only without the partial answer.
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            loop {
                wait().await;
                if seen.swap(true, Ordering::SeqCst) {
                    std::process::exit(130);
                }
                stop();
            }
        });
    };
    // The thread is not waited for: it ends with the process.
    let _ = std::thread::Builder::new()
        .name("interrupt".into())
        .spawn(watch);
    flag
}

#[cfg(unix)]
async fn wait() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

#[cfg(not(unix))]
async fn wait() {
    let _ = tokio::signal::ctrl_c().await;
}
