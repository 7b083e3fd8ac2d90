//! What is written down as it happens, and earlier conversations brought back.

use super::{Effect, State};
use crate::engine::event::{Command, Stop};
use crate::model::thoughts::Told;
use crate::saved::{Ending, Piece, Record, SavedConversation, SavedTurn};
use crate::tui::composer::{Draft, ElementKind};
use crate::tui::conversation::{Entry, Level};
use crate::tui::text::safe;

/// What is asked for behind `/save` and `/export`.
const THOUGHTS: &str = "--thoughts";

/// How an answer ended, as it is written down.
pub(super) fn ending(stop: Stop) -> Ending {
    match stop {
        Stop::Eos => Ending::Complete,
        Stop::Length => Ending::Length,
        Stop::Interrupted => Ending::Stopped,
    }
}

impl State {
    /// The parts of a message, written out.
    pub(super) fn pieces(&self, draft: &Draft) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        for c in draft.raw.chars() {
            match self.composer.elements.get(c) {
                Some(element) => {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text)));
                    }
                    let content = element.text.to_string();
                    pieces.push(match &element.kind {
                        ElementKind::Paste => Piece::Paste(content),
                        ElementKind::File(name) => Piece::File {
                            name: name.clone(),
                            text: content,
                        },
                    });
                }
                None => text.push(c),
            }
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        pieces
    }

    /// Writes the answer down so far; all of it at its end.
    pub(super) fn save_answer(&mut self, piece: &str, end: bool, effects: &mut Vec<Effect>) {
        let due = self.unsaved.push(piece);
        let rest = end.then(|| self.unsaved.rest()).flatten();
        effects.extend(due.into_iter().chain(rest).map(Effect::Record));
    }

    /// Before the app ends: what is still to be written down.
    pub fn last_words(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.save_answer("", true, &mut effects);
        effects
    }

    /// The status line shows it for as long as it lasts.
    pub(super) fn not_saved(&mut self, why: Option<String>) {
        match &why {
            Some(why) => self.note(
                Level::Warning,
                format!("this conversation is not being saved: {why}; it is tried again"),
            ),
            None => self.toast(Level::Info, "everything is saved again"),
        }
        self.not_saved = why;
    }

    /// Shows an earlier conversation; the engine reads it with the next question.
    pub(super) fn bring_back(&mut self, turns: Vec<SavedTurn>) {
        self.conversation.clear();
        (self.comparison, self.editing) = (None, None);
        self.sending.go_on_first = false;
        self.dashboard.observed.restart();
        for turn in turns {
            let mut raw = String::new();
            for piece in turn.question {
                match piece {
                    Piece::Text(text) => raw.push_str(&crate::tui::composer::plain(&text)),
                    Piece::Paste(text) => {
                        raw.push(self.composer.elements.add(ElementKind::Paste, text).1);
                    }
                    Piece::File { name, text } => {
                        let kind = ElementKind::File(safe::one_line(&name));
                        raw.push(self.composer.elements.add(kind, text).1);
                    }
                }
            }
            let parts = self.parts(&raw);
            self.conversation.push(Entry::User { parts, raw });
            self.conversation.push(Entry::Answer(Default::default()));
            if let Some(answer) = self.conversation.answer_mut() {
                let text = turn.answer.unwrap_or_default();
                answer.say(&text);
                answer.pause();
                answer.thoughts.took = turn.thought.unwrap_or_default();
                answer.thoughts.open = self.thoughts_open;
                answer.end = turn.end;
            }
        }
        self.open_last();
    }

    /// The engine is told what was said, and when.
    pub(super) fn load(&self, effects: &mut Vec<Effect>) {
        effects.push(Effect::Engine(Command::Load(self.transcript())));
        let began = self.began.clone().map(Command::Began);
        effects.extend(began.map(Effect::Engine));
    }

    /// `/open NAME`.
    pub(super) fn open(&mut self, argument: &str, effects: &mut Vec<Effect>) {
        match argument {
            "" => {
                self.composer.buffer.insert("/open ");
                effects.push(Effect::Sessions);
            }
            name => effects.push(Effect::Open(name.to_owned())),
        }
    }

    pub(super) fn opened(
        &mut self,
        opened: Result<(String, SavedConversation), String>,
        effects: &mut Vec<Effect>,
    ) {
        match opened {
            Ok((name, conversation)) => {
                self.bring_back(conversation.turns);
                self.began = Some(conversation.header.created);
                self.system.renew();
                self.note(
                    Level::Info,
                    format!("opened {name}; it goes on with the next question"),
                );
                self.load(effects);
            }
            Err(why) => self.note(Level::Error, why),
        }
    }

    /// `/branch`: a copy of the conversation that goes on by itself.
    pub(super) fn branch(&mut self, effects: &mut Vec<Effect>) {
        let mut records = Vec::new();
        for entry in self.conversation.entries() {
            match entry {
                Entry::User { raw, .. } => {
                    let draft = Draft { raw: raw.clone() };
                    records.push(Record::User(self.pieces(&draft)));
                }
                Entry::Answer(a) => {
                    records.push(Record::Answer(a.raw.clone()));
                    records.extend(a.thoughts.record());
                    records.extend(a.end.map(Record::End));
                }
                Entry::Note { .. } => {}
            }
        }
        if records.is_empty() {
            return self.toast(Level::Warning, "nothing was said yet");
        }
        self.sending.go_on_first = false;
        effects.push(Effect::NewSession(records));
        self.note(
            Level::Info,
            "this is a copy now; /open finds the conversation as it was before",
        );
    }

    /// `/save` and `/export`; what was thought only with `--thoughts`.
    pub(super) fn save(&mut self, argument: &str, json: bool, effects: &mut Vec<Effect>) {
        if self.transcript().is_empty() && self.comparison.is_none() {
            return self.toast(Level::Warning, "nothing was said yet");
        }
        let asked = argument.strip_prefix(THOUGHTS).map(str::trim_start);
        let (thoughts, argument) = (asked.is_some(), asked.unwrap_or(argument));
        let text = match json {
            true => {
                let said = self.transcript();
                let said: Vec<Told> = said.iter().map(|m| Told::given(m, thoughts)).collect();
                let said = serde_json::to_string_pretty(&said).unwrap_or_default();
                crate::unseen::json(&said).into_owned()
            }
            false => {
                let elements = &self.composer.elements;
                let said = self
                    .conversation
                    .markdown(thoughts, |raw| elements.expand(raw));
                said + &self.comparison_markdown().unwrap_or_default()
            }
        };
        let path = match argument {
            "" => format!("cachat-{}.md", self.clock.stamp()).into(),
            argument => self.path(argument),
        };
        effects.push(Effect::Save { path, text });
    }
}
