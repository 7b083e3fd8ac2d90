//! What could be meant by what is typed: a command, its values, a name or a path.

use super::command::COMMANDS;
use super::completion::Completion;
use super::listing::Listing;
use super::slash::{Completer, Slash, Source};
use super::{Effect, State, command, mentions, models};

/// Commands whose names begin so.
fn commands(start: &str) -> Vec<Completion> {
    let fitting = COMMANDS.iter().filter(|c| c.name.starts_with(start));
    let complete = |c: &Slash| Completion {
        text: match c.argument {
            "" => format!("/{}", c.name),
            _ => format!("/{} ", c.name),
        },
        label: format!("/{} {}", c.name, c.argument).trim_end().to_owned(),
        hint: c.help.to_owned(),
    };
    fitting.map(complete).collect()
}

/// The path that is being typed: where it begins, and how it is written.
fn path(text: &str) -> Option<(usize, &str)> {
    let of_command = command::behind(text).filter(|(command, argument)| {
        let of_path = |c: &Completer| match c.source {
            Source::Folder => true,
            Source::Models => argument.contains('/') || argument.starts_with(['.', '~']),
            Source::State | Source::Sessions => false,
        };
        command.completer().is_some_and(of_path)
    });
    match of_command {
        Some((_, path)) => Some((text.len() - path.len(), path)),
        None => mentions::typed(text),
    }
}

impl State {
    /// What could become of the text before the caret.
    pub(super) fn completions(&self) -> Vec<Completion> {
        let text = self.composer.buffer.text();
        let with = |before: &str, mut lines: Vec<Completion>| {
            for line in &mut lines {
                line.text.insert_str(0, before);
            }
            lines
        };
        if let Some((at, path)) = path(text) {
            let mut lines = self.paths(path);
            if mentions::typed(text).is_some_and(|(typed, _)| typed == at) {
                let open = text[..at].ends_with('"');
                for line in &mut lines {
                    line.text = mentions::completed(&line.text, open);
                }
            }
            let lines = with(&text[..at], lines);
            if !lines.is_empty() {
                return lines;
            }
        }
        let Some(typed) = text.strip_prefix('/').filter(|t| !t.contains('\n')) else {
            return Vec::new();
        };
        match (command::behind(text), typed.contains(' ')) {
            (Some((command, start)), _) => {
                let lines = command.completer().map(|c| (c.lines)(self, start));
                let mut lines = lines.unwrap_or_default();
                let now = self.in_force();
                for line in lines.iter_mut().filter(|l| Some(&l.label) == now.as_ref()) {
                    let hint = std::mem::take(&mut line.hint);
                    line.hint = match hint.is_empty() {
                        true => "in force".to_owned(),
                        false => format!("in force · {hint}"),
                    };
                }
                with(&text[..text.len() - start.len()], lines)
            }
            (None, true) => Vec::new(),
            (None, false) => commands(typed),
        }
    }

    /// What the path that is being typed could become.
    fn paths(&self, path: &str) -> Vec<Completion> {
        let command = command::behind(self.composer.buffer.text());
        let completer = command.and_then(|(command, _)| command.completer());
        match completer.filter(|c| c.source == Source::Folder) {
            Some(completer) => (completer.lines)(self, path),
            None => self.popup.listing.completions(path),
        }
    }

    /// Files are left out of what the path could become; of the folders, which stand first, none is.
    pub(super) fn only_folders(&self) -> bool {
        let files = self.popup.listing.names.iter().any(|name| !name.folder);
        let path = path(self.composer.buffer.text()).filter(|_| files);
        let folder = |line: &Completion| line.text.ends_with('/');
        path.is_some_and(|(_, path)| self.paths(path).iter().all(folder))
    }

    /// The value in force of the command that is typed.
    fn in_force(&self) -> Option<String> {
        let (command, _) = command::behind(self.composer.buffer.text())?;
        (command.completer()?.now)(self)
    }

    /// The line of the value in force, while nothing is typed behind its command.
    pub(super) fn line_in_force(&self) -> Option<usize> {
        let text = self.composer.buffer.text();
        command::behind(text).filter(|(_, typed)| typed.is_empty())?;
        let now = self.in_force()?;
        self.completions().iter().position(|line| line.label == now)
    }

    /// What stands above the lines, while the models are listed.
    pub fn popup_title(&self) -> Option<String> {
        let (command, _) = command::behind(self.composer.buffer.text())?;
        let listed =
            command.name == "model" && !self.popup.models.is_empty() && !self.typing_path();
        listed.then(models::title)
    }

    /// A path is being typed.
    pub(super) fn typing_path(&self) -> bool {
        path(self.composer.buffer.text()).is_some()
    }

    /// Whether what is typed does as it stands, so that Enter takes it and no line of the popup.
    pub(super) fn stands(&self) -> bool {
        let text = self.composer.buffer.text();
        let listing = &self.popup.listing;
        let mention = mentions::typed(text).map(|(_, path)| path);
        if let Some(path) = mention.filter(|path| !listing.completions(path).is_empty()) {
            return path.is_empty() || listing.has(path);
        }
        match command::behind(text) {
            Some((command, argument)) => {
                let completer = command.completer();
                completer.is_none_or(|c| (c.stands)(self, argument))
            }
            None => text
                .strip_prefix('/')
                .is_some_and(|name| command::named(name).is_some()),
        }
    }

    /// Asks for the names that what is being typed may be one of.
    pub(super) fn ask_for_names(&mut self, effects: &mut Vec<Effect>) {
        let bare =
            command::behind(self.composer.buffer.text()).filter(|(_, typed)| typed.is_empty());
        let source = bare.and_then(|(command, _)| Some(command.completer()?.source));
        if source == Some(Source::Sessions) {
            effects.push(Effect::Sessions);
        }
        self.ask_for_models(source == Some(Source::Models), effects);
        let text = self.composer.buffer.text();
        let popup = &mut self.popup;
        match path(text) {
            Some((_, path)) if popup.listing.prefix != path || popup.listing.names.is_empty() => {
                if popup.listed.as_deref() != Some(path) {
                    popup.listed = Some(path.to_owned());
                    effects.push(Effect::List(path.to_owned()));
                }
            }
            Some(_) => {}
            None => {
                popup.listed = None;
                popup.listing = Listing::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Preset;
    use crate::tui::state::Setup;

    fn texts(typed: &str) -> Vec<String> {
        let (mut state, _) = State::new(Setup::default());
        state.composer.buffer.insert(typed);
        state.completions().into_iter().map(|c| c.text).collect()
    }

    #[test]
    fn commands_and_their_values() {
        assert_eq!(texts("/s"), ["/system ", "/set ", "/save "]);
        assert_eq!(texts("/policy ada-p"), ["/policy ada-pyramidkv"]);
        assert_eq!(texts("/set te"), ["/set temperature "]);
        assert_eq!(texts("/nothing x"), Vec::<String>::new());
        let every = texts("/policy ").len();
        assert_eq!(every, Preset::ALL.len(), "each policy is offered");
    }

    #[test]
    fn paths_behind_file_and_mentions() {
        assert_eq!(path("see @no"), Some((5, "no")));
        assert_eq!(path("/file a/b"), Some((6, "a/b")));
        assert_eq!(path("a@b"), None);
    }
}
