//! What could be meant by what is typed: commands, their values, names and paths.

use super::command::{COMMANDS, Slash};
use super::files::{self, Listing};
use super::{Effect, State};
use crate::policy::Preset;
use crate::tui::text::safe;

/// One line of the completion popup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What the input becomes.
    pub text: String,
    pub label: String,
    pub hint: String,
}

/// How a command's argument is completed.
pub struct Completer {
    /// Where its values come from.
    source: Source,
    /// What could stand behind the command, from what stands there so far.
    lines: fn(&State, &str) -> Vec<Completion>,
}

/// Where a command's values are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Here.
    State,
    /// On the disk: the earlier conversations.
    Sessions,
    /// On the disk: the names in a folder.
    Folder,
}

impl Completer {
    /// Of values that the state knows.
    pub(super) const fn new(lines: fn(&State, &str) -> Vec<Completion>) -> Completer {
        let source = Source::State;
        Completer { source, lines }
    }
}

pub(super) static POLICIES: Completer = Completer::new(|_, start| {
    let presets = Preset::ALL.iter();
    values(presets.map(|p| (p.name(), p.describe())), start)
});
pub(super) static BUDGETS: Completer = Completer::new(|_, start| {
    let budgets = [
        ("128", "very tight"),
        ("256", "tight"),
        ("512", ""),
        ("1024", "comfortable"),
        ("25%", "a quarter of the prompt"),
    ];
    values(budgets, start)
});
pub(super) static COPIES: Completer = Completer::new(|_, start| {
    let parts = [
        ("code", "the last code block"),
        ("all", "the whole conversation"),
    ];
    values(parts, start)
});
/// The user's own as well.
pub(super) static THEMES: Completer =
    Completer::new(|state, start| values(state.themes.names().map(|name| (name, "")), start));
pub(super) static MODELS: Completer =
    Completer::new(|state, start| containing(&state.popup.models, start));
pub(super) static SESSIONS: Completer = Completer {
    source: Source::Sessions,
    lines: |state, start| containing(&state.popup.sessions, start),
};
pub(super) static FILES: Completer = Completer {
    source: Source::Folder,
    lines: |state, path| state.popup.listing.completions(path),
};

/// Values that begin as what was typed does, each with a word on it.
pub(super) fn values<'a>(
    values: impl IntoIterator<Item = (&'a str, &'a str)>,
    start: &str,
) -> Vec<Completion> {
    let fitting = values
        .into_iter()
        .filter(|(value, _)| value.starts_with(start) && *value != start);
    let complete = |(value, hint): (&str, &str)| Completion {
        text: value.to_owned(),
        label: value.to_owned(),
        hint: hint.to_owned(),
    };
    fitting.map(complete).collect()
}

/// Names in which, or in the words on which, the text occurs.
fn containing(names: &[(String, String)], text: &str) -> Vec<Completion> {
    let wanted = text.to_lowercase();
    let fits = |(name, hint): &&(String, String)| {
        name.to_lowercase().contains(&wanted) || hint.to_lowercase().contains(&wanted)
    };
    let complete = |(name, hint): &(String, String)| Completion {
        text: name.clone(),
        label: safe::one_line(name),
        hint: safe::one_line(hint),
    };
    let others = names.iter().filter(|n| n.0 != text);
    others.filter(fits).map(complete).collect()
}

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
    let of_command = Slash::behind(text).filter(|(command, _)| {
        let completer = command.completer();
        completer.is_some_and(|c| c.source == Source::Folder)
    });
    match of_command {
        Some((_, path)) => Some((text.len() - path.len(), path)),
        None => files::mention(text),
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
            let lines = with(&text[..at], self.popup.listing.completions(path));
            if !lines.is_empty() {
                return lines;
            }
        }
        let Some(typed) = text.strip_prefix('/').filter(|t| !t.contains('\n')) else {
            return Vec::new();
        };
        match (Slash::behind(text), typed.contains(' ')) {
            (Some((command, start)), _) => {
                let lines = command.completer().map(|c| (c.lines)(self, start));
                let before = &text[..text.len() - start.len()];
                with(before, lines.unwrap_or_default())
            }
            (None, true) => Vec::new(),
            (None, false) => commands(typed),
        }
    }

    /// Asks for the names that what is being typed may be one of.
    pub(super) fn ask_for_names(&mut self, effects: &mut Vec<Effect>) {
        let text = self.composer.buffer.text();
        if let Some((command, "")) = Slash::behind(text)
            && let Some(completer) = command.completer()
            && completer.source == Source::Sessions
        {
            effects.push(Effect::Sessions);
        }
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
