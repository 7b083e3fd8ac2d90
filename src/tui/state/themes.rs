//! The themes: the one in force, and one that is looked at.

use super::{State, command};
use crate::tui::theme::Theme;

/// At least one.
#[derive(Clone, Debug)]
pub struct Themes {
    all: Vec<Theme>,
    at: usize,
    /// One that is looked at while it is being chosen.
    preview: Option<usize>,
}

impl Default for Themes {
    fn default() -> Themes {
        Themes::new(Vec::new())
    }
}

impl Themes {
    /// The first one is in force.
    pub fn new(mut all: Vec<Theme>) -> Themes {
        if all.is_empty() {
            all.push(Theme::default());
        }
        Themes {
            all,
            at: 0,
            preview: None,
        }
    }

    pub fn shown(&self) -> &Theme {
        let at = self.preview.unwrap_or(self.at);
        &self.all[at.min(self.all.len() - 1)]
    }

    /// Of the one in force.
    pub(super) fn name(&self) -> &str {
        &self.all[self.at.min(self.all.len() - 1)].name
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|t| t.name.as_str())
    }

    /// Takes the named theme, or the next one without a name; returns its name.
    ///
    /// # Errors
    /// What there is instead.
    pub(super) fn choose(&mut self, name: &str) -> Result<String, String> {
        let at = match name {
            "" => Some((self.at + 1) % self.all.len()),
            name => self.names().position(|n| n == name),
        };
        match at {
            Some(at) => {
                self.at = at;
                Ok(self.all[at].name.clone())
            }
            None => {
                let names: Vec<&str> = self.names().collect();
                Err(format!("no theme `{name}`; there are {}", names.join(", ")))
            }
        }
    }

    /// Another one than that in force is looked at.
    pub(super) fn looked_at(&self) -> bool {
        self.preview.is_some_and(|at| at != self.at)
    }

    fn look_at(&mut self, name: Option<&str>) {
        self.preview = name.and_then(|name| self.names().position(|n| n == name));
    }
}

impl State {
    /// The theme under the popup's cursor, or the one that is typed whole, is looked at.
    pub(super) fn preview_theme(&mut self) {
        let text = self.composer.buffer.text();
        let typed = command::behind(text).filter(|(command, _)| command.name == "theme");
        let typed = typed.filter(|_| !self.popup.closed(text));
        let name = typed.map(|(_, typed)| {
            let lines = self.popup();
            let chosen = self.picked(lines.len()).and_then(|c| lines.get(c));
            chosen.map_or(typed, |line| line.label.as_str()).to_owned()
        });
        self.themes.look_at(name.as_deref());
    }
}
