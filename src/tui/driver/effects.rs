//! What the state asks for is done here: files, saved conversations, the clipboard, the editor.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::{Driver, End};
use crate::engine::event::{Command, Event};
use crate::tui::conversation::Level;
use crate::tui::state::{Effect, Input};
use crate::tui::{terminal, world};

impl Driver {
    /// Does what the state asks for.
    pub(super) fn perform(&mut self, effect: Effect) -> io::Result<()> {
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
            Effect::Models => {
                let models = self.models.clone();
                self.background(move || Input::Models(models()))?;
            }
            Effect::Open(name) => {
                let opened = self.sessions.open(&name);
                self.tell(Input::Opened(opened));
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
                // With its folder: nobody knows where the app was started.
                let path = std::path::absolute(&path).unwrap_or(path);
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
