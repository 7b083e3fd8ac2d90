//! An answer on its way to stdout.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::safe;
use crate::engine::event::{CachePicture, Event, EvictionRound};
use crate::engine::gate::Gate;
use crate::engine::session::Watcher;
use crate::model::thoughts::{Part, Split, Splitter};

/// Prints the answer as it comes, and what was thought before it where that is asked for; a terminal
/// never sees a control character of the model's.
pub struct Output {
    stop: Arc<AtomicBool>,
    /// Nothing is printed.
    json: bool,
    /// Thoughts are printed.
    show: bool,
    /// What the model wrote, in its parts.
    pub said: Split,
    /// Seconds that were thought.
    pub thought: f64,
    splitter: Splitter,
    /// Behind what was printed of a thought.
    white: String,
    /// The model wrote marks.
    marked: bool,
    pub evictions: Vec<EvictionRound>,
    pub closed: Option<std::io::Error>,
    gate: Gate,
}

impl Output {
    pub fn new(stop: Arc<AtomicBool>, json: bool, show: bool) -> Output {
        Output {
            stop,
            json,
            show,
            said: Split::default(),
            thought: 0.0,
            splitter: Splitter::default(),
            white: String::new(),
            marked: false,
            evictions: Vec::new(),
            closed: None,
            gate: Gate::from_env(),
        }
    }

    /// What was thought, where something was.
    pub fn thoughts(&self) -> Option<&str> {
        Some(self.said.thoughts.trim()).filter(|thoughts| !thoughts.is_empty())
    }

    /// The answer is through: what was held back follows.
    pub fn finish(&mut self) {
        let mut parts = Vec::new();
        let mut splitter = std::mem::take(&mut self.splitter);
        splitter.finish(&mut |part, text: &str| parts.push((part, text.to_owned())));
        self.take(parts);
    }

    fn take(&mut self, parts: Vec<(Part, String)>) {
        for (part, text) in parts {
            self.marked |= part == Part::Mark;
            // White space between a thought and the answer belongs to neither.
            let begins = match part {
                Part::Mark => continue,
                Part::Thought => self.said.thoughts.is_empty(),
                Part::Answer => self.said.answer.is_empty() && self.marked,
            };
            let text = match begins {
                true => text.trim_start(),
                false => &text,
            };
            if text.is_empty() {
                continue;
            }
            self.said.take(part, text);
            match part {
                _ if self.json => {}
                Part::Thought if self.show => {
                    // White space at its end is not printed.
                    let text = std::mem::take(&mut self.white) + text;
                    let said = text.trim_end();
                    self.white = text[said.len()..].to_owned();
                    self.print(said, true);
                }
                Part::Answer => {
                    if begins && self.show && !self.said.thoughts.is_empty() {
                        self.print("\n\n", false);
                    }
                    self.print(text, false);
                }
                Part::Thought | Part::Mark => {}
            }
        }
    }

    fn print(&mut self, text: &str, dim: bool) {
        let mut out = std::io::stdout().lock();
        let text = safe::shown(text);
        let printed = match dim && out.is_terminal() {
            true => write!(out, "\x1b[2m{text}\x1b[22m"),
            false => write!(out, "{text}"),
        };
        let printed = printed.and_then(|()| out.flush());
        self.closed = self.closed.take().or(printed.err());
    }
}

impl Watcher for Output {
    fn stopped(&self) -> bool {
        self.closed.is_some() || self.stop.load(Ordering::Relaxed)
    }

    fn event(&mut self, event: Event) {
        crate::engine::log::event(&event);
        let waits = self.gate.behind(&event);
        match event {
            Event::Text { piece, .. } => {
                let mut parts = Vec::new();
                self.splitter.push(&piece, &mut |part, text: &str| {
                    parts.push((part, text.to_owned()))
                });
                self.take(parts);
            }
            Event::Decoded { seconds, .. } if self.splitter.thinking() => self.thought = seconds,
            Event::Eviction(round) => self.evictions.push(*round),
            Event::Notice(notice) => say(&notice),
            _ => {}
        }
        self.gate.pass(waits, || self.stopped());
    }

    fn picture(&mut self, _picture: CachePicture) {}
}

/// A word to the person, beside the answer.
pub fn say(notice: &str) {
    let _ = writeln!(std::io::stderr(), "cachat: {}", safe::shown(notice));
}
