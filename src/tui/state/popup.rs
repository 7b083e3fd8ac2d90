//! The completion popup above the input: its lines, its cursor, its keys.

use crossterm::event::{KeyCode, KeyEvent};

use super::completion::Completion;
use super::listing::Listing;
use super::{Effect, Focus, State, command, mentions};

/// The popup's own state, and the names it knows from outside.
#[derive(Clone, Debug, Default)]
pub struct Popup {
    /// Selected line; `None` until a key goes there. See [`State::picked`].
    pub choice: Option<usize>,
    /// It was closed for this text.
    dismissed: Option<String>,
    /// Names in the folder of the path that is being typed.
    pub(super) listing: Listing,
    /// The path last asked for.
    pub(super) listed: Option<String>,
    /// Earlier conversations, and models that can be named; each with a word on it.
    pub(super) sessions: Vec<(String, String)>,
    pub(super) models: Vec<(String, String)>,
}

impl Popup {
    /// Esc: not for this text.
    pub(super) fn dismiss(&mut self, text: &str) {
        (self.dismissed, self.choice) = (Some(text.to_owned()), None);
    }

    /// It was closed for this text.
    pub(super) fn closed(&self, text: &str) -> bool {
        self.dismissed.as_deref() == Some(text)
    }

    /// Shows itself for whatever is in the input, on its first line.
    pub(super) fn insist(&mut self) {
        (self.dismissed, self.choice) = (None, Some(0));
    }

    /// The input has changed, perhaps.
    pub(super) fn typed(&mut self, text: &str) {
        if self.dismissed.as_deref() != Some(text) {
            self.dismissed = None;
        }
    }
}

impl State {
    /// The lines of the completion popup.
    pub fn popup(&self) -> Vec<Completion> {
        let buffer = &self.composer.buffer;
        let dismissed = self.popup.closed(buffer.text());
        if self.screen.focus != Focus::Input || dismissed {
            return Vec::new();
        }
        match self.refusal_choices() {
            Some(choices) => choices,
            None if buffer.caret() != buffer.text().len() => Vec::new(),
            None => self.completions(),
        }
    }

    /// The line of the popup that Enter takes: the value in force or the first one, before a key goes
    /// to another; none where what is typed does as it stands.
    pub fn picked(&self, lines: usize) -> Option<usize> {
        let last = lines.checked_sub(1)?;
        match self.popup.choice {
            Some(choice) => Some(choice.min(last)),
            None if self.refusal_choices().is_some() || self.stands() => None,
            None => Some(self.line_in_force().unwrap_or(0).min(last)),
        }
    }

    /// Names that the popup leaves out.
    pub fn popup_more(&self) -> usize {
        match self.refusal_choices() {
            None if self.typing_path() && !self.only_folders() => self.popup.listing.more,
            _ => 0,
        }
    }

    /// A key while the popup may be there; false hands it on to the input.
    pub(super) fn popup_key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) -> bool {
        let lines = self.popup();
        let Some(last) = lines.len().checked_sub(1) else {
            self.popup.choice = None;
            return false;
        };
        let choice = self.popup.choice.map(|c| c.min(last));
        let picked = self.picked(lines.len());
        let refused = self.refusal_choices().is_some();
        let plain = key.modifiers.is_empty();
        // The history goes on past a command that was sent.
        let walking = !refused && self.composer.walking();
        match (key.code, choice) {
            (KeyCode::Up | KeyCode::Down, None) if walking => return false,
            (KeyCode::Down, _) => {
                self.popup.choice = Some(picked.map_or(0, |c| (c + 1).min(last)));
            }
            // Above the value in force are others; above the first line there is what is typed.
            (KeyCode::Up, at) if at.or(picked) > Some(0) => {
                self.popup.choice = at.or(picked).and_then(|at| at.checked_sub(1));
            }
            (KeyCode::Up, Some(_)) if self.line_in_force() > Some(0) => {}
            (KeyCode::Up, Some(_)) => self.popup.choice = None,
            (KeyCode::Tab, _) if refused => return false,
            (KeyCode::Tab, _) => self.complete(&lines[choice.or(picked).unwrap_or(0)].text),
            (KeyCode::Enter, Some(at)) if plain && refused => self.choose(at, effects),
            (KeyCode::Enter, _) if plain => {
                let Some(at) = picked else {
                    return false;
                };
                let text = &lines[at].text;
                let whole = self.needs_nothing(text);
                self.complete(text);
                if whole {
                    self.send(effects);
                }
            }
            _ => {
                self.popup.choice = None;
                return false;
            }
        }
        true
    }

    /// A command that Enter does at once; others wait for what they need.
    fn needs_nothing(&self, text: &str) -> bool {
        // A question may go on behind the file that it mentions.
        let Some(name) = text
            .strip_prefix('/')
            .filter(|_| mentions::typed(text).is_none() && mentions::all(text).is_empty())
        else {
            return false;
        };
        match command::named(name.trim_end()) {
            // Its argument may be left out.
            Some(slash) => slash.argument.is_empty() || slash.argument.starts_with('['),
            None => !text.ends_with([' ', '/']),
        }
    }

    fn complete(&mut self, text: &str) {
        self.composer.buffer.replace(text.to_owned());
        self.popup.choice = None;
    }
}
