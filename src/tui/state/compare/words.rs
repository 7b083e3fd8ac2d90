//! What stands behind `/compare`: policies, a budget, a question.

use crate::policy::{Budget, Preset};

/// Policies and a budget at the beginning of `/compare`'s argument, and the question behind them.
pub(super) fn parse(argument: &str, window: usize) -> (Vec<Preset>, Option<Budget>, &str) {
    let (mut policies, mut budget, mut rest) = (Vec::new(), None, argument.trim_start());
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let word = &rest[..end];
        match (word.parse::<Preset>(), word.parse::<Budget>()) {
            (Ok(preset), _) => policies.push(preset),
            // A number that could be no budget begins a question: `/compare 2 + 2?`.
            (_, Ok(Budget::Tokens(n))) if n <= window => break,
            (_, Ok(stated)) if budget.is_none() => budget = Some(stated),
            _ => break,
        }
        rest = rest[end..].trim_start();
    }
    (policies, budget, rest)
}

/// A word that stands where a policy would and is none, though what follows (or its own end) says
/// that one was meant.
pub(super) fn unknown(question: &str, budgeted: bool, window: usize) -> Option<&str> {
    let mut words = question.split_whitespace();
    let word = words.next()?;
    let name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !word.chars().all(name) || !word.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let follows = words.next().is_some_and(|next| {
        let budget = match next.parse::<Budget>() {
            Ok(Budget::Tokens(n)) => n > window,
            other => other.is_ok(),
        };
        next.parse::<Preset>().is_ok() || (budget && !budgeted)
    });
    (follows || word.ends_with("kv")).then_some(word)
}

/// The word that is being typed behind `/compare`, and what stands before it, as long as that is
/// policies and a budget.
pub(in crate::tui::state) fn last_word(argument: &str) -> Option<(&str, &str)> {
    let at = argument.rfind(char::is_whitespace).map_or(0, |at| {
        at + argument[at..].chars().next().map_or(1, char::len_utf8)
    });
    let (before, word) = argument.split_at(at);
    let stands = |w: &str| w.parse::<Preset>().is_ok() || w.parse::<Budget>().is_ok();
    before
        .split_whitespace()
        .all(stands)
        .then_some((before, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_and_a_budget_stand_before_the_question() {
        let words = |text| {
            let (policies, budget, rest) = parse(text, 32);
            let names: Vec<_> = policies.into_iter().map(Preset::name).collect();
            let budget = budget.map_or(String::new(), |b| b.to_string());
            (names.join(" "), budget, rest.to_owned())
        };
        let found = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(words(""), found("", "", ""));
        assert_eq!(words("who may end it?"), found("", "", "who may end it?"));
        assert_eq!(
            words("full snapkv ada-reach 256 why 3?"),
            found("full snapkv ada-reach", "256", "why 3?")
        );
        assert_eq!(words("25% why?"), found("", "25%", "why?"));
        assert_eq!(words("2 + 2?"), found("", "", "2 + 2?"));
    }

    #[test]
    fn a_policy_that_is_none_is_told_from_a_question() {
        let word = |text: &'static str| {
            let (_, budget, rest) = parse(text, 32);
            unknown(rest, budget.is_some(), 32)
        };
        assert_eq!(word("foo 64 hi"), Some("foo"));
        assert_eq!(word("foo 25% hi"), Some("foo"));
        assert_eq!(word("snapkv foo 64 hi"), Some("foo"));
        assert_eq!(word("foo snapkv hi"), Some("foo"));
        assert_eq!(word("snapkv adakv hi"), Some("adakv"));
        for question in [
            "",
            "why?",
            "list 7 animals",
            "64 list 100 animals",
            "who may end it",
            "2 + 100",
        ] {
            assert_eq!(word(question), None, "{question}");
        }
    }
}
