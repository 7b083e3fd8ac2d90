//! What can stand behind a command.

use super::completion::{containing, values};
use super::slash::{Completer, Source};
use crate::policy::Preset;

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
pub(super) static ARCHIVES: Completer = Completer::new(|_, start| {
    let places = [
        ("disk", "every question reads everything; also tomorrow"),
        ("memory", "every question reads everything"),
        ("off", "what is evicted is gone"),
    ];
    values(places, start)
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
