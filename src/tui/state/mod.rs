//! THE STATE: everything the screen shows, and the one function that changes it. No I/O: what is
//! to be done comes out as [`Effect`]s, and times come in from outside.

mod command;
pub mod compare;
mod effect;
mod element;
mod engine;
mod files;
mod keys;
mod messages;
mod mouse;
mod phase;
mod refusal;
mod saved;
mod search;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

pub use effect::{Effect, Input};
pub use files::{Listing, Name, folder};
pub use phase::{Phase, Speeds};
pub use search::Search;

use refusal::Refusal;

use super::areas::Areas;
use super::command::{Completion, Slash, completions};
use super::composer::{Composer, Draft, ElementKind, Pasted};
use super::conversation::{Entry, Level, MessagePart, Scrollback};
use super::observed::Observed;
use super::panel::{Panel, Panels};
use super::text::safe;
use super::theme::Theme;
use crate::document::{Document, DocumentError};
use crate::engine::event::{Command, Sampling};
use crate::human;
use crate::session::{Record, Turn};

/// Who gets the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Focus {
    #[default]
    Input,
    Panel(Panel),
}

/// A line that goes away by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Toast {
    pub text: String,
    pub level: Level,
    /// On the state's clock.
    pub until: f64,
}

/// What the app starts with.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The one in force first; `/theme` goes through them.
    pub themes: Vec<Theme>,
    pub sampling: Sampling,
    pub ascii: bool,
    pub mouse: bool,
    /// Asked as soon as the model is ready.
    pub prompt: Option<String>,
    /// Read before the first question.
    pub files: Vec<std::path::PathBuf>,
    /// Shown once, at the start.
    pub notices: Vec<String>,
    /// An earlier conversation to go on with.
    pub turns: Vec<Turn>,
    /// Models that can be named, each with a word on it.
    pub models: Vec<(String, String)>,
}

#[derive(Clone, Debug, Default)]
pub struct State {
    pub conversation: Scrollback,
    pub composer: Composer,
    pub observed: Observed,
    /// Panels show this while they are frozen.
    pub frozen: Option<Box<Observed>>,
    pub panels: Panels,
    pub focus: Focus,
    pub zoom: Option<Panel>,
    pub help: bool,
    /// First line of the help in view.
    pub help_top: usize,
    /// The side column may be drawn.
    pub panels_open: bool,
    /// Selected line of the completion popup; `None` until a key goes there.
    pub choice: Option<usize>,
    /// The popup was closed for this text.
    dismissed: Option<String>,
    pub phase: Phase,
    pub speeds: Speeds,
    pub themes: Vec<Theme>,
    pub theme: usize,
    pub sampling: Sampling,
    pub ascii: bool,
    pub mouse: bool,
    pub size: (u16, u16),
    pub toast: Option<Toast>,
    pub search: Option<Search>,
    /// The last `/compare`.
    pub comparison: Option<Box<compare::Comparison>>,
    /// The picked message, an entry of the conversation.
    pub selected: Option<usize>,
    /// A theme that is looked at while it is being chosen.
    preview: Option<usize>,
    /// Cells of the side column, where it was dragged.
    pub side: Option<u16>,
    dragging: bool,
    listing: Listing,
    /// Earlier conversations, for completion.
    sessions: Vec<(String, String)>,
    models: Vec<(String, String)>,
    /// The end of the running answer that is not written down yet.
    unsaved: String,
    /// The path last asked for.
    listed: Option<String>,
    /// Files of a message on its way that are still being read.
    mentions: Vec<String>,
    sending: bool,
    /// A message that came back because it does not fit.
    refusal: Option<Refusal>,
    /// The element that is in the user's editor.
    opened: Option<u64>,
    /// A message that waits for a command to be typed.
    stashed: Option<Draft>,
    /// Messages that wait for the running turn or for the model.
    pub queue: VecDeque<Draft>,
    /// The message being answered, until its prefill is through.
    asked: Option<Draft>,
    /// The running turn goes on with an answer.
    going_on: bool,
    /// It was asked for before the model was ready.
    go_on_first: bool,
    /// Tokens of the context that are used.
    pub position: usize,
    /// Seconds since the start, and the wall clock.
    pub now: f64,
    pub clock: String,
    /// A first Ctrl-C at this time.
    armed: Option<f64>,
    stopping: bool,
    /// Where things are on the screen, from the last frame; mouse only.
    pub areas: Areas,
}

impl State {
    pub fn new(setup: Setup) -> (State, Vec<Effect>) {
        let themes = match setup.themes.is_empty() {
            true => vec![Theme::default()],
            false => setup.themes,
        };
        let mut state = State {
            themes,
            sampling: setup.sampling,
            ascii: setup.ascii,
            mouse: setup.mouse,
            panels_open: true,
            models: setup.models,
            ..State::default()
        };
        state.bring_back(setup.turns);
        for notice in setup.notices {
            state.note(Level::Warning, notice);
        }
        let effects = setup.files.into_iter().map(Effect::Read).collect();
        if let Some(prompt) = setup.prompt.filter(|p| !p.trim().is_empty()) {
            // With files, the question waits in the input until they are read.
            state.composer.paste(&prompt);
            if !matches!(&effects, files if !Vec::is_empty(files)) {
                state.queue.push_back(state.composer.take());
            }
        }
        (state, effects)
    }

    pub fn theme(&self) -> &Theme {
        let at = self.preview.unwrap_or(self.theme);
        &self.themes[at.min(self.themes.len() - 1)]
    }

    /// What the panels show.
    pub fn shown(&self) -> &Observed {
        self.frozen.as_deref().unwrap_or(&self.observed)
    }

    /// The model's context in tokens, once it is known.
    pub fn context(&self) -> Option<usize> {
        self.observed.model.as_ref().map(|m| m.context)
    }

    /// When the screen changes by itself, on the state's clock.
    pub fn wake(&self) -> Option<f64> {
        let animated = (self.phase.waiting()).then_some(self.now + 0.1);
        let toast = self.toast.as_ref().map(|t| t.until);
        let unfinished = self.conversation.pending().then_some(self.now);
        [animated, toast, unfinished]
            .into_iter()
            .flatten()
            .reduce(f64::min)
    }

    /// Sets the clock: seconds since the start, and the time of day as shown.
    pub fn set_now(&mut self, now: f64, clock: String) {
        (self.now, self.clock) = (now, clock);
    }

    /// The one function that changes the state.
    pub fn update(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Key(key) => self.key(key, &mut effects),
            Input::Paste(text) => self.paste(&text, &mut effects),
            Input::Mouse(event) => self.mouse_event(event, &mut effects),
            Input::Resize(width, height) => self.size = (width, height),
            Input::Engine(event) => self.engine(event, &mut effects),
            Input::Picture(picture) => {
                self.position = picture.position;
                self.observed.picture(picture, self.now);
            }
            Input::EngineGone => {
                if self.phase != Phase::Ended {
                    self.phase = Phase::Ended;
                    self.put_back(&mut effects);
                    self.drop_comparison();
                }
            }
            Input::Read(result) => match *result {
                Ok(document) => self.attach_document(document, &mut effects),
                Err(error) => self.note(Level::Error, error.to_string()),
            },
            Input::Sessions(sessions) => self.sessions = sessions,
            Input::Opened(opened) => self.opened(opened, &mut effects),
            Input::Listed(listing) => self.listing = listing,
            Input::Mentioned { path, document } => {
                self.mentioned_file(&path, *document, &mut effects);
            }
            Input::Dropped { text, document } => match *document {
                Ok(document) => self.attach_document(document, &mut effects),
                // A path that is no file is what was pasted.
                Err(DocumentError::Missing(_) | DocumentError::Folder(_)) => {
                    self.paste_text(&text, &mut effects);
                }
                Err(error) => self.note(Level::Error, error.to_string()),
            },
            Input::Edited(Ok(text)) => self.edited(&text, &mut effects),
            Input::Edited(Err(why)) => {
                self.opened = None;
                self.note(Level::Error, why);
            }
            Input::Said(level, text) => self.toast(level, text),
            Input::Saved(Ok(path)) => {
                self.toast(Level::Info, format!("saved as {}", path.display()));
            }
            Input::Saved(Err(why)) => self.note(Level::Error, format!("could not save: {why}")),
            Input::Tick => {}
        }
        if self.toast.as_ref().is_some_and(|t| t.until <= self.now) {
            self.toast = None;
        }
        effects
    }

    /// A line in the conversation.
    pub fn note(&mut self, level: Level, text: impl Into<String>) {
        self.conversation.push(Entry::Note {
            level,
            text: safe::visible(&text.into()).into_owned(),
        });
    }

    /// A line that goes away by itself.
    pub fn toast(&mut self, level: Level, text: impl Into<String>) {
        self.toast = Some(Toast {
            text: safe::one_line(&text.into()),
            level,
            until: self.now + 4.0,
        });
    }

    fn attach_document(&mut self, document: Document, effects: &mut Vec<Effect>) {
        let kind = ElementKind::File(safe::one_line(&document.name));
        let tag = self.composer.attach(kind, document.text);
        self.composer.elements.paged(tag, document.pages);
        self.count(tag, effects);
    }

    fn count(&self, tag: u64, effects: &mut Vec<Effect>) {
        if let Some(element) = self.composer.elements.by_tag(tag) {
            let text = element.text.to_string();
            effects.push(Effect::Engine(Command::Count { tag, text }));
        }
    }

    fn paste(&mut self, text: &str, effects: &mut Vec<Effect>) {
        if self.search.is_some() {
            return self.search_paste(text);
        }
        self.focus = Focus::Input;
        self.zoom = None;
        self.help = false;
        if !self.phase.busy()
            && let Some(c) = self.comparison.as_mut()
        {
            // What is pasted is to be seen.
            c.open = false;
        }
        match files::dropped(text) {
            Some(path) => effects.push(Effect::Drop {
                path,
                text: text.to_owned(),
            }),
            None => self.paste_text(text, effects),
        }
    }

    fn paste_text(&mut self, text: &str, effects: &mut Vec<Effect>) {
        match self.composer.paste(text) {
            Pasted::Text => {}
            Pasted::Element(tag) => self.count(tag, effects),
            Pasted::Refused(bytes) => {
                let limit = human::bytes(super::composer::PASTE_LIMIT as u64);
                let size = human::bytes(bytes as u64);
                let room = match self.context() {
                    Some(context) => format!(
                        "; the model's context of {} tokens holds about {}",
                        human::thousands(context),
                        human::bytes(context as u64 * 4)
                    ),
                    None => String::new(),
                };
                self.note(
                    Level::Error,
                    format!(
                        "this paste is {size}, and at most {limit} are taken{room}. Paste the part \
                         that matters; the input is as it was."
                    ),
                );
            }
        }
    }

    /// Takes the input's message: a command, or a question that is asked now or waits.
    fn send(&mut self, effects: &mut Vec<Effect>) {
        if self.composer.is_empty() {
            return;
        }
        let text = self.composer.buffer.text().trim().to_owned();
        match Slash::parse(&text) {
            // Files that its question mentions are read first.
            Some(Ok((Slash::Compare, argument))) if !State::mentioned(argument).is_empty() => {
                self.mentions = State::mentioned(argument);
                self.sending = true;
                effects.extend(self.mentions.iter().cloned().map(Effect::Mention));
            }
            Some(Ok((command, argument))) => {
                let argument = argument.to_owned();
                self.composer.take();
                self.command(command, &argument, effects);
                if let Some(draft) = self.stashed.take() {
                    self.composer.restore(&draft);
                }
            }
            Some(Err(why)) => self.toast(Level::Warning, why),
            None if self.phase == Phase::Ended => {
                self.toast(Level::Warning, "no model is running; restart cachat");
            }
            None => {
                self.mentions = State::mentioned(&text);
                self.sending = !self.mentions.is_empty();
                if !self.sending {
                    return self.send_now(effects);
                }
                effects.extend(self.mentions.iter().cloned().map(Effect::Mention));
            }
        }
    }

    /// Sends the input once its files are read.
    fn send_now(&mut self, effects: &mut Vec<Effect>) {
        let draft = self.composer.take();
        if let Some(Ok((Slash::Compare, argument))) = Slash::parse(draft.raw.trim()) {
            return self.compare(argument, effects);
        }
        match self.phase.waiting() {
            true => self.queue.push_back(draft),
            false => self.ask(draft, effects),
        }
    }

    fn ask(&mut self, draft: Draft, effects: &mut Vec<Effect>) {
        let parts = self.parts(&draft.raw);
        self.close_last();
        self.conversation.push(Entry::User {
            parts,
            raw: draft.raw.clone(),
        });
        self.conversation.push(Entry::Answer(Default::default()));
        if let Some(answer) = self.conversation.answer_mut() {
            answer.running = true;
        }
        self.conversation.scroll.to_bottom();
        self.selected = None;
        effects.push(Effect::Record(Record::User(self.pieces(&draft))));
        let text = self.composer.expand(&draft).trim().to_owned();
        self.asked = Some(draft);
        self.phase = Phase::Asked;
        self.stopping = false;
        self.going_on = false;
        effects.push(Effect::Engine(Command::Ask { text }));
    }

    /// A message as it is shown.
    fn parts(&self, raw: &str) -> Vec<MessagePart> {
        let mut parts: Vec<MessagePart> = Vec::new();
        let mut text = String::new();
        for c in raw.trim().chars() {
            match self.composer.elements.get(c) {
                Some(element) => {
                    if !text.is_empty() {
                        parts.push(MessagePart::Text(std::mem::take(&mut text)));
                    }
                    let label = safe::one_line(&element.label(self.context()));
                    parts.push(MessagePart::Chip(label));
                }
                None => {
                    let behind_chip =
                        text.is_empty() && matches!(parts.last(), Some(MessagePart::Chip(_)));
                    if behind_chip && c != '\n' {
                        text.push('\n');
                    }
                    if !(behind_chip && c == ' ') {
                        text.push(c);
                    }
                }
            }
        }
        if !text.is_empty() {
            parts.push(MessagePart::Text(safe::visible(&text).into_owned()));
        }
        parts
    }

    /// What waits, once nothing runs.
    fn next(&mut self, effects: &mut Vec<Effect>) {
        if !self.phase.waiting() && std::mem::take(&mut self.go_on_first) {
            self.go_on(effects);
        }
        // Also where there was nothing to go on with.
        if !self.phase.waiting()
            && let Some(draft) = self.queue.pop_front()
        {
            self.ask(draft, effects);
        }
    }

    /// Messages that will not be answered go back into the input.
    fn put_back(&mut self, effects: &mut Vec<Effect>) {
        while let Some(draft) = self.queue.pop_back() {
            self.composer.restore(&draft);
        }
        if let Some(draft) = self.asked.take() {
            self.conversation.take_back();
            self.composer.restore(&draft);
            self.open_last();
            effects.push(Effect::Record(Record::Truncate(self.transcript().len())));
        }
    }

    fn stop(&mut self, effects: &mut Vec<Effect>) {
        if self.phase.busy() && !self.stopping {
            self.stopping = true;
            effects.push(Effect::Stop);
        }
        while let Some(draft) = self.queue.pop_back() {
            self.composer.restore(&draft);
        }
    }

    /// A stop was asked for and has not been felt yet.
    pub fn stopping(&self) -> bool {
        self.stopping
    }

    /// The lines of the completion popup.
    pub fn popup(&self) -> Vec<Completion> {
        let text = self.composer.buffer.text();
        let here = self.focus == Focus::Input && self.dismissed.as_deref() != Some(text);
        if here && let Some(choices) = self.refusal_choices() {
            return choices;
        }
        if !here || self.composer.buffer.caret() != text.len() {
            return Vec::new();
        }
        let files = self.file_completions();
        if !files.is_empty() {
            return files;
        }
        let names = self.name_completions();
        if !names.is_empty() {
            return names;
        }
        let mut lines = completions(text);
        if let Some(start) = text.strip_prefix("/theme ") {
            // The user's own themes as well.
            let names = self.themes.iter().map(|t| t.name.as_str());
            let fitting = names.filter(|n| n.starts_with(start) && *n != start);
            lines = fitting
                .map(|n| Completion {
                    text: format!("/theme {n}"),
                    label: n.to_owned(),
                    hint: String::new(),
                })
                .collect();
        }
        lines
    }
}
