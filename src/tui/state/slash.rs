//! What a command is.

use super::completion::Completion;
use super::{Effect, State};
use crate::tui::composer::Draft;
use crate::tui::conversation::Level;

/// What is done: the state, what stands behind the command's name, and what the world is to do.
type Action = fn(&mut State, &str, &mut Vec<Effect>);

/// A command that can be typed after `/`: a row of [the table](super::command::COMMANDS).
pub struct Slash {
    pub name: &'static str,
    /// What it takes, for the popup; empty where it takes nothing.
    pub argument: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// Not while a turn runs.
    quiet: bool,
    /// Its argument may be a question: the files that it mentions are read first.
    question: bool,
    completer: Option<&'static Completer>,
    action: Action,
}

/// How a command's argument is completed.
pub struct Completer {
    /// Where its values come from.
    pub(super) source: Source,
    /// What could stand behind the command, from what stands there so far.
    pub(super) lines: fn(&State, &str) -> Vec<Completion>,
    /// Whether what stands there does as it is: then no line is picked before a key goes to one.
    pub(super) stands: fn(&State, &str) -> bool,
    /// The value in force, if one is: its line says so, and is picked before a key goes to another.
    pub(super) now: fn(&State) -> Option<String>,
}

/// For values none of which is in force.
pub(super) fn never(_: &State) -> Option<String> {
    None
}

/// Where a command's values are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Here.
    State,
    /// On the disk: the earlier conversations.
    Sessions,
    /// On the disk: the names in a folder.
    Folder,
    /// On the disk: the models that are here; and those that can be fetched.
    Models,
}

impl Slash {
    pub(super) const fn new(
        name: &'static str,
        argument: &'static str,
        help: &'static str,
        action: Action,
    ) -> Slash {
        Slash {
            name,
            argument,
            help,
            quiet: false,
            question: false,
            completer: None,
            action,
        }
    }

    pub(super) const fn quiet(self) -> Slash {
        Slash {
            quiet: true,
            ..self
        }
    }

    pub(super) const fn question(self) -> Slash {
        Slash {
            question: true,
            ..self
        }
    }

    pub(super) const fn completed(self, completer: &'static Completer) -> Slash {
        Slash {
            completer: Some(completer),
            ..self
        }
    }

    pub(super) fn completer(&self) -> Option<&'static Completer> {
        self.completer
    }

    /// Its argument may be a question, with files that are to be read first.
    pub(super) fn is_question(&self) -> bool {
        self.question
    }
}

impl State {
    /// What is wrong with a command; it is there to be mended.
    pub(super) fn mend(&mut self, command: &str, argument: &str, why: impl Into<String>) {
        self.toast(Level::Warning, why);
        if self.composer.is_empty() {
            let raw = format!("/{command} {argument}");
            self.composer.restore(&Draft { raw });
        }
    }

    /// Does what was typed.
    pub(super) fn command(&mut self, slash: &Slash, argument: &str, effects: &mut Vec<Effect>) {
        match slash.quiet && self.activity.phase.busy() {
            true => self.toast(Level::Warning, "stop the answer first (Esc)"),
            false => {
                // A command took the place of the question that was being changed.
                let before = self.leave_edit();
                (slash.action)(self, argument, effects);
                self.bring_draft(before);
            }
        }
    }
}
