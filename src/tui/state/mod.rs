//! THE STATE: everything the screen shows, in parts, and the one function that changes it. No I/O:
//! what is to be done comes out as [`Effect`]s; times and folders come in from outside.

mod activity;
mod archive;
mod clock;
mod coming;
pub mod command;
pub mod compare;
mod complete;
mod completers;
mod completion;
mod dashboard;
mod editing;
mod effect;
mod element;
mod engine;
mod files;
mod input;
mod keys;
mod listing;
mod mentions;
mod messages;
pub mod models;
mod mouse;
mod paste;
mod policy;
mod popup;
mod refusal;
mod sampling;
mod saved;
mod screen;
mod search;
mod sending;
mod setup;
mod slash;
mod system;
#[cfg(test)]
mod tests;
mod themes;
mod thinking;
mod toast;

use std::path::PathBuf;

pub use activity::{Activity, Phase, Speeds};
pub use clock::Clock;
pub use coming::Coming;
pub use compare::ComparisonView;
pub use completion::Completion;
pub use dashboard::Dashboard;
pub use effect::{Effect, Input};
pub use listing::{Listing, Name, at_home, folder};
pub use models::Models;
pub use popup::Popup;
pub use screen::{Focus, Screen};
pub use search::Search;
pub use sending::Sending;
pub use setup::Setup;
pub use system::System;
pub use themes::Themes;
pub use toast::Toast;

use super::composer::Composer;
use super::conversation::{Level, Scrollback};
use super::observed::Observed;
use super::theme::Theme;
use crate::engine::event::{Mode, Said};
use crate::saved::Unsaved;

#[derive(Clone, Debug, Default)]
pub struct State {
    /// What was said.
    pub conversation: Scrollback,
    /// What is being written.
    pub composer: Composer,
    /// What is on its way between the two.
    pub sending: Sending,
    pub popup: Popup,
    /// What the engine does.
    pub activity: Activity,
    /// The model that is on its way beside it.
    pub coming: Option<Coming>,
    /// What it has told, as the panels show it.
    pub dashboard: Dashboard,
    pub screen: Screen,
    pub themes: Themes,
    pub clock: Clock,
    pub toast: Option<Toast>,
    pub search: Option<Search>,
    /// The last `/compare`.
    pub comparison: Option<Box<ComparisonView>>,
    /// The picked message, an entry of the conversation.
    pub selected: Option<usize>,
    pub sampling: Said,
    /// Why what was said is not in its file yet.
    pub not_saved: Option<String>,
    pub system: System,
    models: Models,
    /// When the conversation that was brought back began, RFC 3339.
    began: Option<String>,
    /// What was said is in the archive, as far as it was read.
    archived: bool,
    /// Where it is kept, where that was set since the start.
    archive_set: Option<Mode>,
    /// What the cache did is shown below every answer, not only below the newest.
    pub(super) details: bool,
    /// What is thought is shown in full.
    thoughts_open: bool,
    /// A question that was said is being changed.
    editing: Option<editing::Editing>,
    /// What the question gave way to that is being read.
    replaced: Option<editing::Replaced>,
    /// It was said what an archive that is off means.
    told_of_loss: bool,
    /// The end of the running answer that is not written down yet.
    unsaved: Unsaved,
    /// The element that is in the user's editor.
    opened: Option<u64>,
    /// The folder that `~` stands for.
    home: Option<PathBuf>,
}

impl State {
    pub fn theme(&self) -> &Theme {
        self.themes.shown()
    }

    /// What the panels show.
    pub fn shown(&self) -> &Observed {
        self.dashboard.shown()
    }

    /// A stop was asked for and has not been felt yet.
    pub fn stopping(&self) -> bool {
        self.activity.stopping()
    }

    /// The model's context in tokens, once it is known.
    pub fn context(&self) -> Option<usize> {
        let model = self.dashboard.observed.model.as_ref();
        model.map(|m| m.context)
    }

    /// When the screen changes by itself, on the state's clock.
    pub fn wake(&self) -> Option<f64> {
        let now = self.clock.now;
        let animated = self.activity.phase.waiting().then_some(now + 0.1);
        let toast = self.toast.as_ref().map(|t| t.until);
        let unfinished = self.conversation.pending().then_some(now);
        [animated, toast, unfinished]
            .into_iter()
            .flatten()
            .reduce(f64::min)
    }

    /// Sets the clock: seconds since the start, and the time of day as shown.
    pub fn set_now(&mut self, now: f64, shown: String) {
        self.clock = Clock { now, shown };
    }

    /// The one function that changes the state.
    pub fn update(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Key(key) => self.key(key, &mut effects),
            Input::Paste(text) => self.paste(&text, &mut effects),
            Input::Mouse(event) => self.mouse_event(event),
            Input::Resize(width, height) => self.screen.size = (width, height),
            Input::Engine(event) => self.engine(event, &mut effects),
            Input::Picture(picture) => {
                self.activity.position = picture.position;
                self.dashboard.observed.picture(picture, self.clock.now);
            }
            Input::EngineGone => self.engine_gone(&mut effects),
            Input::Coming(event) => self.coming(event.map(|event| *event)),
            Input::Read(result) => {
                self.was_read();
                match *result {
                    Ok(document) => {
                        self.sending.file = None;
                        self.attach_document(document, &mut effects);
                        self.first_read(1, &mut effects);
                    }
                    Err(error) => {
                        self.first_unread();
                        self.unread(&error);
                    }
                }
                self.send_when_read(&mut effects);
            }
            Input::Sessions(sessions) => self.popup.sessions = sessions,
            Input::Models(catalogue) => self.models_found(*catalogue),
            Input::Opened(opened) => self.opened(opened, &mut effects),
            Input::Listed(listing) => self.popup.listing = listing,
            Input::Mentioned { path, document } => {
                self.mentioned_file(&path, *document, &mut effects);
            }
            Input::Dropped { text, document } => self.dropped(&text, *document, &mut effects),
            Input::Edited(Ok(text)) => self.edited(&text, &mut effects),
            Input::Edited(Err(why)) => {
                self.opened = None;
                self.note(Level::Error, why);
            }
            Input::NotSaved(why) => self.not_saved(why),
            Input::Said(level, text) => self.toast(level, text),
            Input::Saved(Ok(path)) => {
                self.note(Level::Info, format!("saved as {}", path.display()))
            }
            Input::Saved(Err(why)) => self.note(Level::Error, format!("could not save: {why}")),
            Input::Tick => {}
        }
        self.switch(&mut effects);
        self.toast.take_if(|t| t.until <= self.clock.now);
        effects
    }
}
