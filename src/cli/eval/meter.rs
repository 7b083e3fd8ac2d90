//! How far an evaluation is: one line on stderr that is rewritten, only on a terminal.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::cli::safe::name;
use crate::eval::Watch;
use crate::human;

/// Counts samples, and hears Ctrl-C.
pub struct Meter {
    stop: Arc<AtomicBool>,
    terminal: bool,
    begun: Instant,
    shown: Option<Instant>,
    set: String,
    total: usize,
    /// Samples that are through, and those of them that were there before.
    done: usize,
    known: usize,
}

impl Meter {
    pub fn new(total: usize) -> Meter {
        Meter {
            stop: crate::cli::interrupt::on_interrupt(),
            terminal: std::io::stderr().is_terminal(),
            begun: Instant::now(),
            shown: None,
            set: String::new(),
            total,
            done: 0,
            known: 0,
        }
    }

    /// A sample of this set is next.
    pub fn begin(&mut self, set: &str) {
        self.set = name(&human::brief(set));
        self.show(0.0);
    }

    /// A sample is through; `known`: it cost nothing.
    pub fn done(&mut self, known: bool) {
        self.done += 1;
        self.known += usize::from(known);
        if self.done == self.total {
            self.clear();
        }
    }

    pub fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }

    fn show(&mut self, part: f64) {
        let often = Duration::from_millis(200);
        if !self.terminal || self.shown.is_some_and(|at| at.elapsed() < often) {
            return;
        }
        self.shown = Some(Instant::now());
        let line = self.line(part, self.begun.elapsed().as_secs_f64());
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "\r\x1b[2K{line}").and_then(|()| err.flush());
    }

    fn line(&self, part: f64, seconds: f64) -> String {
        let worked = (self.done - self.known) as f64 + part;
        let left = self.total as f64 - self.done as f64 - part;
        let eta = match worked > 0.1 {
            true => format!(", {} left", human::remaining(seconds / worked * left)),
            false => String::new(),
        };
        let share = (self.done as f64 + part) / self.total.max(1) as f64;
        format!(
            "{} {}/{}, {}{eta}",
            self.set,
            self.done + 1,
            self.total,
            human::percent_whole(share)
        )
    }
}

impl Watch for Meter {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn progress(&mut self, done: f64) {
        self.show(done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_before_does_not_make_the_rest_seem_quick() {
        let meter = Meter {
            stop: Arc::default(),
            terminal: false,
            begun: Instant::now(),
            shown: None,
            set: "qasper".into(),
            total: 10,
            done: 5,
            known: 4,
        };
        let line = meter.line(0.0, 60.0);
        let expected = format!("qasper 6/10, 50 %, {} left", human::remaining(300.0));
        assert_eq!(line, expected);
    }
}
