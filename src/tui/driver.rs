//! The loop: what happens goes into the state, what the state asks for is done, and the screen is
//! drawn when something changed, at most sixty times a second. It never waits for the engine.

mod effects;
mod saving;
mod signals;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossterm::event::Event as TerminalEvent;
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use tokio::sync::mpsc;

use self::signals::{Signal, Signals};
use super::keyboard::Keyboard;
use super::sessions::{Found, Sessions};
use super::state::{Input, Setup, State};
use super::terminal::{self, Guard, Screen};
use super::view;
use crate::engine::catalogue::Catalogue;
use crate::engine::event::{Command, Event};
use crate::engine::handle::EngineHandle;
use crate::saved::SessionError;

/// Time between frames.
const FRAME: Duration = Duration::from_millis(16);
/// Engine events taken at once.
const BATCH: usize = 256;

/// How the app ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The user left.
    Left,
    /// SIGTERM, SIGHUP, SIGINT or SIGQUIT.
    Signal,
    /// Either of them, and the end of what was said could not be written. Says why.
    Unsaved(String),
}

/// Starts an engine with the model of this name; whether another one runs beside it.
pub type Starter = Box<dyn FnMut(&str, bool) -> Result<EngineHandle, String>>;

/// Lists the models that can be had; looks at the disk.
pub type Models = Arc<dyn Fn() -> Catalogue + Send + Sync>;

/// What the driver needs besides the state.
pub struct Surroundings {
    pub engine: EngineHandle,
    pub starter: Starter,
    pub sessions: Sessions,
    pub models: Models,
    /// Where a fault of the engine left its report.
    pub report: fn() -> Option<PathBuf>,
}

/// Runs the app until it ends.
///
/// # Errors
/// What the terminal or the system says; the terminal is given back.
pub fn run(setup: Setup, surroundings: Surroundings) -> io::Result<End> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (guard, screen) = Guard::take(setup.mouse)?;
    let mut driver = Driver::new(setup, surroundings, screen)?;
    let end = runtime.block_on(driver.run());
    // Also where the terminal is gone.
    let unsaved = driver.leave();
    drop(driver);
    drop(guard);
    // A document that is still being read is not waited for.
    runtime.shutdown_background();
    match (end, unsaved) {
        (Ok(_), Some(why)) => Ok(End::Unsaved(why)),
        (end, _) => end,
    }
}

/// What came of something in the background.
enum Done {
    Input(Input),
    /// A saved conversation was looked for.
    Found(Result<Found, String>),
    /// What was said is on the disk, or not.
    Synced(Result<(), SessionError>),
}

struct Driver {
    state: State,
    engine: EngineHandle,
    /// One with another model, until it takes the place of the first.
    coming: Option<EngineHandle>,
    starter: Starter,
    sessions: Sessions,
    models: Models,
    report: fn() -> Option<PathBuf>,
    screen: Screen,
    keyboard: Keyboard,
    /// Results of what runs in the background.
    done: (mpsc::UnboundedSender<Done>, mpsc::UnboundedReceiver<Done>),
    /// Commands the engine had no room for.
    outbox: VecDeque<Command>,
    begun: Instant,
    /// When what could not be saved is tried again.
    retry: Instant,
    end: Option<End>,
    redraw: bool,
    engine_open: bool,
    panic: Option<String>,
}

impl Driver {
    fn new(setup: Setup, surroundings: Surroundings, screen: Screen) -> io::Result<Driver> {
        let (state, effects) = State::new(setup);
        let mut driver = Driver {
            state,
            engine: surroundings.engine,
            coming: None,
            starter: surroundings.starter,
            sessions: surroundings.sessions,
            models: surroundings.models,
            report: surroundings.report,
            screen,
            keyboard: Keyboard::start()?,
            done: mpsc::unbounded_channel(),
            outbox: VecDeque::new(),
            begun: Instant::now(),
            retry: Instant::now(),
            end: None,
            redraw: false,
            engine_open: true,
            panic: std::env::var("CACHAT_TEST_PANIC").ok(),
        };
        for effect in effects {
            driver.perform(effect)?;
        }
        Ok(driver)
    }

    async fn run(&mut self) -> io::Result<End> {
        let mut signals = Signals::new()?;
        let mut batch = Vec::with_capacity(BATCH);
        let mut next_frame = Instant::now();
        let mut dirty = true;
        loop {
            self.flush();
            self.save_again();
            if dirty && Instant::now() >= next_frame {
                self.draw()?;
                dirty = false;
                next_frame = Instant::now() + FRAME;
            }
            let wake = match dirty {
                true => Some(next_frame),
                false => self
                    .state
                    .wake()
                    .map(|at| self.begun + Duration::from_secs_f64(at)),
            };
            let wake = match (self.sessions.trouble(), wake) {
                (Some(_), wake) => Some(wake.unwrap_or(self.retry).min(self.retry)),
                (None, wake) => wake,
            };
            let wake = match self.outbox.is_empty() {
                true => wake,
                false => Some(wake.unwrap_or(next_frame).min(Instant::now() + FRAME)),
            };
            dirty |= tokio::select! {
                biased;
                signal = signals.next() => match signal {
                    Signal::End => {
                        self.end = Some(End::Signal);
                        true
                    }
                    Signal::Stop => {
                        self.suspend()?;
                        true
                    }
                    Signal::Continue => {
                        self.resume()?;
                        true
                    }
                },
                event = self.keyboard.events.recv() => {
                    // The terminal is gone.
                    let event = event.ok_or_else(|| io::Error::other("the terminal was closed"))??;
                    match input(event) {
                        Some(input) => {
                            // What a terminal showed is lost once it was smaller, though by now it may
                            // have its old size again.
                            self.redraw |= matches!(input, Input::Resize(..));
                            self.take(input)?;
                            true
                        }
                        None => false,
                    }
                }
                Some(done) = self.done.1.recv() => {
                    let input = self.finish(done);
                    self.take(input)?;
                    true
                }
                count = self.engine.events.recv_many(&mut batch, BATCH), if self.engine_open => {
                    self.engine_open = count > 0;
                    if !self.engine_open {
                        self.take(Input::EngineGone)?;
                    }
                    for event in std::mem::take(&mut batch) {
                        let event = self.with_report(event);
                        self.take(Input::Engine(event))?;
                    }
                    true
                }
                event = next(&mut self.coming) => {
                    if event.is_none() {
                        self.coming = None;
                    }
                    let event = event.map(|event| Box::new(self.with_report(event)));
                    self.take(Input::Coming(event))?;
                    true
                }
                Ok(()) = self.engine.picture.changed(), if self.engine_open => {
                    let picture = self.engine.picture.borrow_and_update().clone();
                    self.take(Input::Picture(picture))?;
                    true
                }
                () = until(wake) => {
                    if !dirty {
                        self.take(Input::Tick)?;
                    }
                    true
                }
            };
            if let Some(end) = self.end.take() {
                self.engine.stop.store(true, Ordering::SeqCst);
                return Ok(end);
            }
        }
    }

    fn take(&mut self, input: Input) -> io::Result<()> {
        let clock = chrono::Local::now().format("%H:%M:%S").to_string();
        self.state
            .set_now(self.begun.elapsed().as_secs_f64(), clock);
        let key = matches!(input, Input::Key(_));
        for effect in self.state.update(input) {
            self.perform(effect)?;
        }
        if key {
            self.test_panic("update");
        }
        Ok(())
    }

    /// `CACHAT_TEST_PANIC=update` and `=view`: a fault on purpose, at the first key.
    fn test_panic(&mut self, place: &str) {
        if self.panic.as_deref() == Some(place) {
            #[allow(clippy::panic)]
            {
                panic!("a panic in the {place}, asked for by CACHAT_TEST_PANIC");
            }
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        let size = self.screen.size()?;
        view::prepare(&mut self.state, size.into());
        queue!(self.screen.backend_mut(), BeginSynchronizedUpdate)?;
        if std::mem::take(&mut self.redraw) {
            // `Terminal::clear` would ask the terminal for its cursor, and the keyboard's thread
            // takes the answer.
            self.screen.resize(size.into())?;
        }
        let state = &self.state;
        self.screen.draw(|frame| {
            // The terminal may have changed between asking and drawing.
            if frame.area().as_size() == size {
                view::draw(state, frame);
            }
        })?;
        queue!(self.screen.backend_mut(), EndSynchronizedUpdate)?;
        io::Write::flush(self.screen.backend_mut())?;
        if !self.state.composer.is_empty() {
            self.test_panic("view");
        }
        Ok(())
    }

    /// Hands on what the engine has room for.
    fn flush(&mut self) {
        while let Some(command) = self.outbox.pop_front() {
            match self.engine.commands.try_send(command) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(command)) => {
                    self.outbox.push_front(command);
                    return;
                }
                // No engine any more; the state knows it from the closed event channel.
                Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        }
    }

    fn with_report(&self, event: Event) -> Event {
        match (event, (self.report)()) {
            (Event::Fatal(message), Some(path)) => {
                Event::Fatal(format!("{message}\nA report is in {}", path.display()))
            }
            (event, _) => event,
        }
    }

    /// Gives the terminal back and stops the process until it is continued.
    fn suspend(&mut self) -> io::Result<()> {
        #[cfg(unix)]
        {
            terminal::restore();
            signal_hook::low_level::raise(signal_hook::consts::SIGSTOP)?;
            self.resume()?;
        }
        Ok(())
    }

    fn resume(&mut self) -> io::Result<()> {
        terminal::take(self.state.screen.mouse)?;
        self.redraw = true;
        Ok(())
    }
}

/// A terminal's event as the state takes it.
fn input(event: TerminalEvent) -> Option<Input> {
    match event {
        TerminalEvent::Key(key) => Some(Input::Key(key)),
        TerminalEvent::Paste(text) => Some(Input::Paste(text)),
        TerminalEvent::Mouse(mouse) => Some(Input::Mouse(mouse)),
        TerminalEvent::Resize(width, height) => Some(Input::Resize(width, height)),
        TerminalEvent::FocusGained | TerminalEvent::FocusLost => None,
    }
}

/// The next event of an engine, if there is one.
async fn next(engine: &mut Option<EngineHandle>) -> Option<Event> {
    match engine {
        Some(engine) => engine.events.recv().await,
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
