//! Progress of a download on stderr: one line that is rewritten, only on a terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use super::safe::name;
use crate::human::brief;
use crate::model::source::Progress;

/// Prints what [`resolve`](crate::model::source::resolve) says; clears its line when dropped.
pub struct Meter {
    terminal: bool,
    last: Option<Instant>,
    what: String,
}

impl Meter {
    pub fn new() -> Self {
        Meter {
            terminal: std::io::stderr().is_terminal(),
            last: None,
            what: String::new(),
        }
    }

    pub fn show(&mut self, progress: &Progress) {
        let mut err = std::io::stderr().lock();
        let new = self.what != progress.what;
        if new {
            self.what.clone_from(&progress.what);
        }
        if !self.terminal {
            if new {
                let _ = writeln!(err, "{}", name(&brief(&progress.what)));
            }
            return;
        }
        let due = self
            .last
            .is_none_or(|last| last.elapsed() > Duration::from_millis(100));
        if due || new {
            self.last = Some(Instant::now());
            let _ = write!(err, "\r\x1b[2K{}", line(progress));
            let _ = err.flush();
        }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Meter::new()
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.terminal && self.last.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

/// `what  [████░░░░]  12.3 / 98.4 MB  13 %`
fn line(progress: &Progress) -> String {
    let mega = |bytes: u64| bytes as f64 / 1e6;
    let what = name(&brief(&progress.what));
    match progress.total {
        Some(total) if total > 0 => {
            let share = (progress.done as f64 / total as f64).min(1.0);
            let full = (share * 20.0).round() as usize;
            format!(
                "{what}  {}{}  {:.1} / {:.1} MB  {:.0} %",
                "█".repeat(full),
                "░".repeat(20 - full),
                mega(progress.done),
                mega(total),
                share * 100.0
            )
        }
        _ if progress.done > 0 => format!("{what}  {:.1} MB", mega(progress.done)),
        _ => what,
    }
}
