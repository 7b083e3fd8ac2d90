//! What can stand behind a command, and what of it does as it is.

use super::compare;
use super::completion::{Completion, containing, values};
use super::models;
use super::slash::{Completer, Source, never};
use crate::engine::event::Mode;
use crate::policy::{Budget, Preset};
use crate::tui::text::safe;

/// What a system prompt is called where there is to be none.
pub(super) const NO_SYSTEM: &str = "none";

const BUDGET_VALUES: [(&str, &str); 5] = [
    ("128", "very tight"),
    ("256", "tight"),
    ("512", "moderate"),
    ("1024", "comfortable"),
    ("25%", "a quarter of the prompt"),
];

fn presets() -> impl Iterator<Item = (&'static str, &'static str)> {
    Preset::ALL.iter().map(|p| (p.name(), p.describe()))
}

pub(super) static POLICIES: Completer = Completer {
    source: Source::State,
    lines: |_, start| values(presets(), start),
    stands: |_, typed| typed.parse::<Preset>().is_ok(),
    now: |state| state.policy().map(|p| p.preset.name().to_owned()),
};
pub(super) static BUDGETS: Completer = Completer {
    source: Source::State,
    lines: |state, start| {
        // One that is none of the usual ones stands before them.
        let now = (BUDGETS.now)(state).unwrap_or_default();
        let own = BUDGET_VALUES.iter().all(|(value, _)| *value != now) && !now.is_empty();
        let own = own.then_some((now.as_str(), ""));
        values(own.into_iter().chain(BUDGET_VALUES), start)
    },
    stands: |_, typed| typed.parse::<Budget>().is_ok(),
    now: |state| state.policy().map(|p| p.budget.to_string()),
};
/// Word by word, as long as they are policies and a budget.
pub(super) static COMPARED: Completer = Completer {
    source: Source::State,
    lines: |_, typed| {
        let Some((before, word)) = compare::last_word(typed) else {
            return Vec::new();
        };
        let mut lines = values(presets().chain(BUDGET_VALUES), word);
        lines.retain(|line| !before.split_whitespace().any(|said| said == line.text));
        for line in &mut lines {
            line.text = format!("{before}{} ", line.text);
        }
        lines
    },
    stands: |_, typed| {
        let word = compare::last_word(typed).map_or("", |(_, word)| word);
        word.is_empty() || word.parse::<Preset>().is_ok() || word.parse::<Budget>().is_ok()
    },
    now: never,
};
pub(super) static ARCHIVES: Completer = Completer {
    source: Source::State,
    lines: |_, start| {
        let places = [
            ("disk", "every question reads everything; also tomorrow"),
            ("memory", "every question reads everything"),
            ("off", "what is evicted is gone"),
        ];
        values(places, start)
    },
    stands: |_, typed| typed.parse::<Mode>().is_ok(),
    now: |state| {
        state
            .policy()
            .map(|_| state.dashboard.observed.archive.mode.to_string())
    },
};
pub(super) static COPIES: Completer = Completer {
    source: Source::State,
    lines: |_, start| {
        let parts = [
            ("code", "the last code block"),
            ("thoughts", "what was thought before it"),
            ("all", "the whole conversation"),
        ];
        values(parts, start)
    },
    stands: |_, typed| matches!(typed, "" | "code" | "thoughts" | "all"),
    now: never,
};
/// The user's own as well.
pub(super) static THEMES: Completer = Completer {
    source: Source::State,
    lines: |state, start| values(state.themes.names().map(|name| (name, "")), start),
    stands: |state, typed| state.themes.names().any(|name| name == typed),
    now: |state| Some(state.themes.name().to_owned()),
};
pub(super) static SYSTEMS: Completer = Completer {
    source: Source::State,
    lines: |state, typed| {
        let now = state.system.next.iter().map(|text| Completion {
            text: text.clone(),
            label: safe::one_line(text),
            hint: "as it is".to_owned(),
        });
        let mut lines: Vec<Completion> = now.filter(|c| c.text.starts_with(typed)).collect();
        lines.retain(|c| c.text != typed);
        lines.extend(values([(NO_SYSTEM, "no system prompt")], typed));
        lines
    },
    stands: |_, _| true,
    now: never,
};
/// Names, or a path once it looks like one.
pub(super) static MODELS: Completer = Completer {
    source: Source::Models,
    lines: |state, start| {
        let mut lines = containing(&state.popup.models, start);
        for line in &mut lines {
            line.label = models::shown(&line.label);
        }
        lines
    },
    stands: |state, typed| {
        typed.ends_with(".gguf")
            || typed.contains('/')
            || state.popup.models.iter().any(|(name, _)| name == typed)
    },
    now: never,
};
pub(super) static SESSIONS: Completer = Completer {
    source: Source::Sessions,
    lines: |state, start| containing(&state.popup.sessions, start),
    stands: |state, typed| state.popup.sessions.iter().any(|(name, _)| name == typed),
    now: never,
};
pub(super) static FILES: Completer = Completer {
    source: Source::Folder,
    lines: |state, path| state.popup.listing.completions(path),
    stands: |state, path| path.is_empty() || state.popup.listing.has(path),
    now: never,
};
/// Where something new is written: into a folder, and over no file that is there.
pub(super) static NEW_FILES: Completer = Completer {
    source: Source::Folder,
    lines: |state, path| {
        let mut lines = state.popup.listing.completions(path);
        lines.retain(|line| line.text.ends_with('/'));
        lines
    },
    stands: |_, _| true,
    now: never,
};
