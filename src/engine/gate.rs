//! A gate for tests: a turn waits where a test says, for as long as the test wants.
//!
//! `CACHAT_TEST_GATE` names a file. While it says `answer 40`, an answer stands still behind its
//! fortieth token until the file changes or the turn is stopped, and with `read 3` a prefill behind
//! 3 % of its blocks; `pace 5` lets a token come every 5 ms. So no test has to hope that a tiny
//! model is slow. Builds for use know nothing of it.

use std::path::PathBuf;
use std::time::Duration;

use super::event::{CompareEvent, Event};

const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How far a turn or a comparison is: what it does, and how much of it is done.
type Place = (&'static str, usize);

/// Where the test's file is.
pub struct Gate(Option<PathBuf>);

impl Gate {
    pub fn from_env() -> Gate {
        let path = cfg!(debug_assertions).then(|| std::env::var_os("CACHAT_TEST_GATE"));
        Gate(path.flatten().map(PathBuf::from))
    }

    /// The place behind `event`, where a gate may be.
    pub fn behind(&self, event: &Event) -> Option<Place> {
        self.0.as_ref().and_then(|_| place(event))
    }

    /// Waits while the gate is closed there and `stopped` does not hold.
    pub fn pass(&self, place: Option<Place>, stopped: impl Fn() -> bool) {
        let (Some(path), Some((what, at))) = (&self.0, place) else {
            return;
        };
        while !stopped() {
            let said = std::fs::read_to_string(path).unwrap_or_default();
            let (word, number) = said.trim().split_once(' ').unwrap_or_default();
            match number.parse() {
                Ok(from) if word == what && at >= from => std::thread::sleep(LOOK_EVERY),
                Ok(millis) if word == "pace" => {
                    return std::thread::sleep(Duration::from_millis(millis as u64));
                }
                _ => return,
            }
        }
    }
}

fn place(event: &Event) -> Option<Place> {
    match event {
        Event::Prefill { done, total, .. } => Some(("read", done * 100 / total.max(&1))),
        Event::Compare(CompareEvent::Prefill { share, .. }) => {
            Some(("read", (share * 100.0) as usize))
        }
        Event::Decoded { generated, .. } => Some(("answer", *generated)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_until_it_is_opened_or_the_turn_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate");
        let gate = Gate(Some(path.clone()));
        let decoded = |generated| {
            gate.behind(&Event::Decoded {
                turn: 1,
                generated,
                seconds: 0.0,
                position: 0,
            })
        };
        std::fs::write(&path, "answer 3").unwrap();
        gate.pass(decoded(2), || false);
        gate.pass(gate.behind(&Event::Notice(String::new())), || false);
        gate.pass(decoded(3), || true);
        std::thread::scope(|scope| {
            let held = scope.spawn(|| gate.pass(decoded(3), || false));
            std::thread::sleep(Duration::from_millis(20));
            assert!(!held.is_finished());
            std::fs::write(&path, "answer 4").unwrap();
            held.join().unwrap();
            let held = scope.spawn(|| gate.pass(decoded(4), || false));
            std::fs::remove_file(&path).unwrap();
            held.join().unwrap();
        });
    }
}
