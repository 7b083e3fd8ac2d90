//! `/archive`: where what was read is kept.

use super::{Effect, State};
use crate::engine::event::{Command, Mode};
use crate::human;
use crate::tui::conversation::Level;

impl State {
    pub(super) fn set_archive(&mut self, argument: &str, effects: &mut Vec<Effect>) {
        if argument.is_empty() {
            return self.say_archive();
        }
        match argument.to_ascii_lowercase().parse::<Mode>() {
            Ok(mode) => {
                self.archive_set = Some(mode);
                effects.push(Effect::Engine(Command::SetArchive(mode)));
                self.archive_changed(mode);
            }
            Err(why) => self.mend("archive", argument, why),
        }
    }

    /// Where it is, and how much of this conversation is there.
    fn say_archive(&mut self) {
        let observed = &self.dashboard.observed;
        if observed.model.is_none() {
            let text = "where what is read is kept is known once the model is ready";
            return self.note(Level::Info, text);
        }
        let archive = &observed.archive;
        let place = match archive.mode {
            Mode::Disk => "what is read is kept on the disk",
            Mode::Memory => "what is read is kept in memory",
            Mode::Off => {
                "the archive is off: what is evicted is gone for the questions that follow"
            }
        };
        let held = match (archive.tokens, &archive.path) {
            (0, _) => String::new(),
            (n, None) => format!("; {} tokens of this conversation", human::thousands(n)),
            (n, Some(path)) => format!(
                "; {} tokens of this conversation, in {}",
                human::thousands(n),
                path.display()
            ),
        };
        self.note(Level::Info, format!("{place}{held}"));
    }

    /// Says once, with a question, that what was evicted before it is gone for it.
    pub(super) fn tell_of_loss(&mut self) {
        let observed = &self.dashboard.observed;
        let lost = !observed.archives() && !observed.rounds.is_empty();
        if lost && !std::mem::replace(&mut self.told_of_loss, true) {
            self.note(
                Level::Info,
                "the archive is off: what was evicted is gone for this question; /archive disk keeps \
                 everything",
            );
        }
    }

    fn archive_changed(&mut self, mode: Mode) {
        let text = match mode {
            Mode::Disk => {
                "what is read from now on is kept on the disk; what was said so far is read once \
                 more with the next question"
            }
            Mode::Memory => {
                "what is read from now on is kept in memory; what was said so far is read once more \
                 with the next question"
            }
            Mode::Off => {
                "nothing is archived from now on: what is evicted is gone for the questions that \
                 follow"
            }
        };
        self.note(Level::Info, text);
    }
}
