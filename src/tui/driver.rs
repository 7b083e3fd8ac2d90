//! The loop: what happens goes into the state, what the state asks for is done, and the screen is
//! drawn when something changed, at most sixty times a second. It never waits for the engine.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossterm::event::Event as TerminalEvent;
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use tokio::sync::mpsc;

use super::conversation::Level;
use super::keyboard::Keyboard;
use super::sessions::Sessions;
use super::state::{Effect, Input, Setup, State};
use super::terminal::{self, Guard, Screen};
use super::{view, world};
use crate::engine::event::{Command, Event};
use crate::engine::handle::EngineHandle;

/// Time between frames.
const FRAME: Duration = Duration::from_millis(16);
/// Engine events taken at once.
const BATCH: usize = 256;

/// How the app ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The user left.
    Left,
    /// SIGTERM or SIGHUP.
    Signal,
}

/// Starts an engine, with another model where one is named.
pub type Starter = Box<dyn FnMut(Option<&str>) -> Result<EngineHandle, String>>;

/// What the driver needs besides the state.
pub struct Surroundings {
    pub engine: EngineHandle,
    pub starter: Starter,
    pub sessions: Sessions,
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
    let end = runtime.block_on(Driver::new(setup, surroundings, screen)?.run());
    drop(guard);
    // A document that is still being read is not waited for.
    runtime.shutdown_background();
    end
}

struct Driver {
    state: State,
    engine: EngineHandle,
    starter: Starter,
    sessions: Sessions,
    report: fn() -> Option<PathBuf>,
    screen: Screen,
    keyboard: Keyboard,
    /// Results of what runs in the background.
    done: (mpsc::UnboundedSender<Input>, mpsc::UnboundedReceiver<Input>),
    /// Commands the engine had no room for.
    outbox: VecDeque<Command>,
    begun: Instant,
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
            starter: surroundings.starter,
            sessions: surroundings.sessions,
            report: surroundings.report,
            screen,
            keyboard: Keyboard::start()?,
            done: mpsc::unbounded_channel(),
            outbox: VecDeque::new(),
            begun: Instant::now(),
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

    async fn run(mut self) -> io::Result<End> {
        let mut signals = Signals::new()?;
        let mut batch = Vec::with_capacity(BATCH);
        let mut next_frame = Instant::now();
        let mut dirty = true;
        loop {
            self.flush();
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
                            self.take(input)?;
                            true
                        }
                        None => false,
                    }
                }
                Some(input) = self.done.1.recv() => {
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
            if let Some(end) = self.end {
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
        if std::mem::take(&mut self.redraw) {
            // `Terminal::clear` would ask the terminal for its cursor, and the keyboard's thread
            // takes the answer.
            self.screen.resize(size.into())?;
        }
        queue!(self.screen.backend_mut(), BeginSynchronizedUpdate)?;
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

    fn perform(&mut self, effect: Effect) -> io::Result<()> {
        match effect {
            Effect::Engine(command) => {
                if matches!(
                    command,
                    Command::Ask { .. } | Command::Continue | Command::Compare(_)
                ) {
                    self.engine.stop.store(false, Ordering::SeqCst);
                }
                self.outbox.push_back(command);
            }
            Effect::Stop => self.engine.stop.store(true, Ordering::SeqCst),
            Effect::Read(path) => {
                self.background(move || Input::Read(Box::new(crate::document::read(&path))))?;
            }
            Effect::Record(record) => {
                let written = self.sessions.append(&record);
                self.complain(written);
            }
            Effect::NewSession(records) => {
                let written = self.sessions.renew(&records);
                self.complain(written);
            }
            Effect::Sessions => self.tell(Input::Sessions(self.sessions.list())),
            Effect::Open(name) => {
                let opened = self.sessions.open(&name);
                self.tell(Input::Opened(opened));
            }
            Effect::Model(name) => match (self.starter)(Some(&name)) {
                Ok(engine) => {
                    self.engine.stop.store(true, Ordering::SeqCst);
                    self.outbox.clear();
                    self.engine = engine;
                    self.engine_open = true;
                }
                Err(why) => self.tell(Input::Engine(Event::Fatal(why))),
            },
            Effect::List(prefix) => {
                let listing = world::list(&prefix);
                self.tell(Input::Listed(listing));
            }
            Effect::Mention(path) => self.background(move || {
                let document = Box::new(crate::document::read(&world::home(&path)));
                Input::Mentioned { path, document }
            })?,
            Effect::Drop { path, text } => self.background(move || {
                let document = Box::new(crate::document::read(&path));
                Input::Dropped { text, document }
            })?,
            Effect::Copy(text) => {
                if let Err(why) = world::copy(self.screen.backend_mut(), text) {
                    self.tell(Input::Said(Level::Warning, why));
                }
            }
            Effect::Editor(text) => {
                self.keyboard.pause(true);
                terminal::restore();
                let edited = world::edit(&text);
                terminal::take(self.state.screen.mouse)?;
                self.keyboard.pause(false);
                self.redraw = true;
                self.tell(Input::Edited(edited));
            }
            Effect::Save { path, text } => {
                let saved = save(&path, &text).map(|()| path);
                let _ = self.done.0.send(Input::Saved(saved));
            }
            Effect::Mouse(on) => terminal::mouse(on)?,
            Effect::Suspend => self.suspend()?,
            Effect::Redraw => self.redraw = true,
            Effect::Quit => self.end = Some(End::Left),
        }
        Ok(())
    }

    /// Runs something slow beside the loop; its result comes back as an input.
    fn background(&self, work: impl FnOnce() -> Input + Send + 'static) -> io::Result<()> {
        let done = self.done.0.clone();
        let run = move || {
            let _ = done.send(work());
        };
        std::thread::Builder::new()
            .name("document".into())
            .spawn(run)?;
        Ok(())
    }

    fn tell(&self, input: Input) {
        let _ = self.done.0.send(input);
    }

    /// Says once that nothing is saved, and why.
    fn complain(&mut self, written: Result<(), String>) {
        if let Err(why) = written {
            self.tell(Input::Engine(Event::Notice(why)));
        }
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

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Writes a file that does not exist yet.
fn save(path: &Path, text: &str) -> Result<(), String> {
    let write = || {
        let mut file = std::fs::File::create_new(path)?;
        io::Write::write_all(&mut file, text.as_bytes())
    };
    write().map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{} exists already; name another file", path.display())
        }
        _ => format!("{}: {error}", path.display()),
    })
}

#[derive(Clone, Copy, Debug)]
enum Signal {
    End,
    Stop,
    Continue,
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    stop: tokio::signal::unix::Signal,
    go_on: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Signals> {
        use signal_hook::consts::{SIGCONT, SIGTSTP};
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            stop: signal(SignalKind::from_raw(SIGTSTP))?,
            go_on: signal(SignalKind::from_raw(SIGCONT))?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::End,
            _ = self.hang_up.recv() => Signal::End,
            _ = self.stop.recv() => Signal::Stop,
            _ = self.go_on.recv() => Signal::Continue,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals)
    }

    async fn next(&mut self) -> Signal {
        let _ = tokio::signal::ctrl_c().await;
        Signal::End
    }
}
