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
    /// When there is no terminal, or the system gives no thread.
    pub fn start() -> io::Result<Keyboard> {
        // Changes of the terminal's size are told of from the first look on: before anything is drawn,
        // and not when the thread comes to it.
        event::poll(Duration::ZERO)?;
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
    gather(event::poll, event::read)
}

fn gather(
    mut poll: impl FnMut(Duration) -> io::Result<bool>,
    mut read: impl FnMut() -> io::Result<Event>,
) -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut typed = 0;
    loop {
        let event = read()?;
        let text = burst::typed(&event).is_some();
        typed += usize::from(text);
        let paste = typed >= burst::LEAST;
        let escape = meta::escape(&event);
        // Ctrl-C and Esc do not wait for the end of a paste. Elsewhere more may belong to an Esc.
        let command = !text && event.is_key_press() && (paste || !escape);
        events.push(event);
        let (most, wait) = match paste {
            true => (BURST, QUIET),
            false if escape => (BATCH, ESCAPE),
            false => (BATCH, TOGETHER),
        };
        if command || events.len() >= most || !poll(wait)? {
            return Ok(events);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(code, modifiers))
    }

    /// How many events each batch takes of these, which all have come.
    fn batches(events: Vec<Event>) -> Vec<usize> {
        let waiting = RefCell::new(VecDeque::from(events));
        let mut sizes = Vec::new();
        while !waiting.borrow().is_empty() {
            let read = || {
                let event = waiting.borrow_mut().pop_front();
                event.ok_or(io::Error::from(io::ErrorKind::UnexpectedEof))
            };
            let batch = gather(|_| Ok(!waiting.borrow().is_empty()), read);
            sizes.push(batch.unwrap().len());
        }
        sizes
    }

    #[test]
    fn a_paste_that_is_coming_holds_back_no_command() {
        let text = || vec![key(KeyCode::Char('x'), KeyModifiers::NONE); 100];
        assert_eq!(batches([text(), text()].concat()), [200]);
        for command in [
            key(KeyCode::Char('c'), KeyModifiers::CONTROL),
            key(KeyCode::Esc, KeyModifiers::NONE),
        ] {
            assert_eq!(
                batches([text(), vec![command], text()].concat()),
                [101, 100]
            );
        }
        // What is no key does not cut it.
        let resize = vec![Event::Resize(80, 24)];
        assert_eq!(batches([text(), resize, text()].concat()), [201]);
    }

    #[test]
    fn an_escape_and_its_sequence_come_together() {
        let arrow = [KeyCode::Esc, KeyCode::Char('['), KeyCode::Char('A')];
        let arrow = arrow.map(|code| key(code, KeyModifiers::NONE));
        assert_eq!(batches(arrow.to_vec()), [3]);
    }
}
