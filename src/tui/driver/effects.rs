//! What the state asks for is done here: files, saved conversations, the clipboard, the editor.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::{Done, Driver, End};
use crate::engine::event::{Command, Event};
use crate::tui::conversation::Level;
use crate::tui::state::{Effect, Input};
use crate::tui::{terminal, world};

impl Driver {
    /// Does what the state asks for.
    pub(super) fn perform(&mut self, effect: Effect) -> io::Result<()> {
        match effect {
            Effect::Engine(command) => {
                let begins = match command {
                    Command::Ask { .. } | Command::Continue | Command::Compare(_) => true,
                    // A turn that is being stopped goes on being stopped.
                    Command::SetPolicy { .. } => !self.state.activity.phase.busy(),
                    _ => false,
                };
                if begins {
                    self.engine.stop.store(false, Ordering::SeqCst);
                }
                self.outbox.push_back(command);
            }
            Effect::Stop => self.engine.stop.store(true, Ordering::SeqCst),
            Effect::Read(path) => {
                self.reading(move || Input::Read(Box::new(crate::document::read(&path))))?;
            }
            Effect::Record(record) => self.record(record)?,
            Effect::NewSession(records) => self.new_session(records),
            Effect::Sessions => {
                let shelf = self.sessions.shelf();
                self.background(move || Done::Input(Input::Sessions(shelf.list())))?;
            }
            Effect::Models => {
                let models = self.models.clone();
                self.background(move || Done::Input(Input::Models(Box::new(models()))))?;
            }
            Effect::Open(name) => {
                let shelf = self.sessions.shelf();
                self.background(move || Done::Found(shelf.open(&name)))?;
            }
            Effect::Model(name) => match (self.starter)(&name, self.engine_open) {
                Ok(engine) => self.coming = Some(engine),
                Err(why) => self.tell(Input::Coming(Some(Box::new(Event::Fatal(why))))),
            },
            Effect::Switch => {
                if let Some(engine) = self.coming.take() {
                    // With its handle the engine before it ends, and its weights go.
                    self.engine.stop.store(true, Ordering::SeqCst);
                    self.outbox.clear();
                    self.engine = engine;
                    self.engine_open = true;
                }
            }
            Effect::List(prefix) => {
                let listing = world::list(&prefix);
                self.tell(Input::Listed(listing));
            }
            Effect::Mention(path) => self.reading(move || {
                let document = Box::new(crate::document::read(&world::home(&path)));
                Input::Mentioned { path, document }
            })?,
            Effect::Drop { path, text } => self.reading(move || {
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
                // With its folder: nobody knows where the app was started.
                let path = std::path::absolute(&path).unwrap_or(path);
                let saved = save(&path, &text).map(|()| path);
                self.tell(Input::Saved(saved));
            }
            Effect::Mouse(on) => terminal::mouse(on)?,
            Effect::Suspend => self.suspend()?,
            Effect::Redraw => self.redraw = true,
            Effect::Quit => self.end = Some(End::Left),
        }
        Ok(())
    }

    /// What the state is told of something that is done.
    pub(super) fn finish(&mut self, done: Done) -> Input {
        match done {
            Done::Input(input) => input,
            Done::Synced(done) => {
                self.synced(done);
                Input::Tick
            }
            // It would take the place of what is being said.
            Done::Found(Ok(_)) if self.state.activity.phase.busy() => Input::Opened(Err(
                "another question was asked meanwhile; stop it (Esc) and open it again".into(),
            )),
            Done::Found(found) => Input::Opened(found.map(|found| self.sessions.resume(found))),
        }
    }

    fn reading(&self, work: impl FnOnce() -> Input + Send + 'static) -> io::Result<()> {
        self.background(move || Done::Input(work()))
    }

    /// Runs something slow beside the loop; its result comes back to it.
    pub(super) fn background(
        &self,
        work: impl FnOnce() -> Done + Send + 'static,
    ) -> io::Result<()> {
        let done = self.done.0.clone();
        let run = move || {
            let _ = done.send(work());
        };
        std::thread::Builder::new()
            .name("background".into())
            .spawn(run)?;
        Ok(())
    }

    pub(super) fn tell(&self, input: Input) {
        let _ = self.done.0.send(Done::Input(input));
    }
}

/// Writes a file that does not exist yet.
fn save(path: &Path, text: &str) -> Result<(), String> {
    crate::disk::write_new(path, text.as_bytes()).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{} exists already; name another file", path.display())
        }
        _ => format!("{}: {error}", path.display()),
    })
}
