//! Events of the terminal, read on a thread of their own: a paste of hundreds of megabytes is
//! taken in without the screen standing still.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{self, Event};
use tokio::sync::mpsc;

use super::{burst, meta};

/// Events that wait for the screen.
const WAITING: usize = 256;
/// Most events taken at once.
const BATCH: usize = 4096;
/// The same for a paste that arrives as keystrokes.
const BURST: usize = 1 << 20;
/// Such a paste comes in pieces; a pause of this length is its end.
const QUIET: Duration = Duration::from_millis(100);
/// What came together is read together. Not zero: then crossterm does not look at what it has read already.
const TOGETHER: Duration = Duration::from_millis(1);
/// How often a pause is noticed.
const LOOK: Duration = Duration::from_millis(200);
/// An Esc waits so long for the rest of a key that begins with one.
const ESCAPE: Duration = Duration::from_millis(12);

/// The reading thread's other end.
#[derive(Debug)]
pub struct Keyboard {
    pub events: mpsc::Receiver<io::Result<Event>>,
    paused: Arc<AtomicBool>,
}

impl Keyboard {
    /// Starts reading.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start() -> io::Result<Keyboard> {
        let (sender, events) = mpsc::channel(WAITING);
        let paused = Arc::new(AtomicBool::new(false));
        let flag = paused.clone();
        // Not waited for: it ends with the process.
        std::thread::Builder::new()
            .name("keyboard".into())
            .spawn(move || run(&sender, &flag))?;
        Ok(Keyboard { events, paused })
    }

    /// Leaves the terminal's input to another program, or takes it back.
    pub fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::SeqCst);
        if paused {
            std::thread::sleep(LOOK + Duration::from_millis(50));
        }
    }
}

fn run(sender: &mpsc::Sender<io::Result<Event>>, paused: &AtomicBool) {
    loop {
        if paused.load(Ordering::SeqCst) {
            std::thread::sleep(LOOK);
            continue;
        }
        match event::poll(LOOK).and_then(|ready| if ready { batch() } else { Ok(Vec::new()) }) {
            Ok(events) => {
                for event in burst::joined(meta::joined(events)) {
                    if sender.blocking_send(Ok(event)).is_err() {
                        return;
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let _ = sender.blocking_send(Err(error));
                return;
            }
        }
    }
}

/// Everything that has come; a paste that is coming is waited for.
fn batch() -> io::Result<Vec<Event>> {
    let mut events = vec![event::read()?];
    let mut typed = usize::from(events.first().is_some_and(|e| burst::typed(e).is_some()));
    loop {
        let most = if typed >= burst::LEAST { BURST } else { BATCH };
        let wait = match events.last() {
            _ if typed >= burst::LEAST => QUIET,
            Some(last) if meta::escape(last) => ESCAPE,
            _ => TOGETHER,
        };
        if events.len() >= most || !event::poll(wait)? {
            return Ok(events);
        }
        let event = event::read()?;
        typed += usize::from(burst::typed(&event).is_some());
        events.push(event);
    }
}
