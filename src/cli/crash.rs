//! A panic is a bug of ours: it leaves a report that helps, and one short message.

use std::backtrace::Backtrace;
use std::io::Write;
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// A screen is open: other threads' faults are told by it, and the main thread's give it up first.
static SCREEN: AtomicBool = AtomicBool::new(false);
/// The report of another thread's fault.
static LAST: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Says whether a screen is open.
pub fn screen(open: bool) {
    SCREEN.store(open, Ordering::SeqCst);
}

/// Where the last fault of another thread was written down while a screen was open.
pub fn last_report() -> Option<PathBuf> {
    LAST.lock().ok().and_then(|last| last.clone())
}

/// Installs the hook: a report in `logs`, three lines on stderr.
pub fn install(logs: PathBuf) {
    std::panic::set_hook(Box::new(move |info| {
        let text = report(info);
        // Not the message, which may hold what was said.
        match info.location() {
            Some(place) => tracing::error!("internal error at {place}"),
            None => tracing::error!("internal error"),
        }
        if SCREEN.load(Ordering::SeqCst) {
            if std::thread::current().name() != Some("main") {
                if let (Ok(path), Ok(mut last)) = (write(&logs, &text), LAST.lock()) {
                    *last = Some(path);
                }
                return;
            }
            crate::tui::terminal::restore();
        }
        let mut err = std::io::stderr().lock();
        // Nothing can be done where stderr is gone.
        let _ = match write(&logs, &text) {
            Ok(path) => writeln!(
                err,
                "cachat: internal error: {}\nA report is in {}\nPlease attach it when you report \
                 this; it holds no text of your conversation beyond the message above.",
                message(info),
                path.display()
            ),
            Err(_) => writeln!(err, "cachat: internal error\n{text}"),
        };
    }));
}

fn message(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| text.to_string())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown".to_string());
    // Whatever was formatted into the message must not reach the terminal as an escape sequence.
    super::safe::name(&text)
}

fn report(info: &PanicHookInfo<'_>) -> String {
    let place = info
        .location()
        .map_or_else(|| "unknown".to_string(), |place| place.to_string());
    let thread = std::thread::current();
    format!(
        "cachat {} ({} {})\ntime: {}\ncommand: {}\nthread: {}\nmessage: {}\nplace: {place}\n\n{}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        chrono::Local::now().to_rfc3339(),
        // The command's name only: arguments may hold private text.
        std::env::args_os()
            .nth(1)
            .map(|word| word.to_string_lossy().into_owned())
            .filter(|word| word.len() < 16)
            .unwrap_or_default(),
        thread.name().unwrap_or("unnamed"),
        message(info),
        Backtrace::force_capture(),
    )
}

fn write(logs: &Path, text: &str) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(logs)?;
    let stamp = chrono::Local::now().format("%Y%m%d-%H%M%S-%3f");
    let path = logs.join(format!("crash-{stamp}.txt"));
    std::fs::write(&path, text)?;
    Ok(path)
}
