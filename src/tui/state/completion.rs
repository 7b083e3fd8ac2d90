//! Lines of the completion popup.

use crate::tui::text::safe;

/// One line of the completion popup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What the input becomes.
    pub text: String,
    pub label: String,
    pub hint: String,
}

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
pub(super) fn containing(names: &[(String, String)], text: &str) -> Vec<Completion> {
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
