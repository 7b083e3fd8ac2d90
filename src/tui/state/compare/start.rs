//! A comparison is asked for.

use super::ComparisonView;
use crate::engine::compare::MAX_TOKENS;
use crate::engine::event::{Command, Compare};
use crate::policy::preset::UnknownPolicy;
use crate::policy::{Budget, Preset};
use crate::tui::composer::Draft;
use crate::tui::conversation::Level;
use crate::tui::state::coming::NO_MODEL;
use crate::tui::state::{Effect, Phase, State, command};

/// Policies and a budget at the beginning of `/compare`'s argument, and the question behind them.
fn parse(argument: &str, window: usize) -> (Vec<Preset>, Option<Budget>, &str) {
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
fn unknown(question: &str, budgeted: bool, window: usize) -> Option<&str> {
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

impl State {
    /// A command for a question that is typed behind pastes and files takes these along: they stand
    /// before the question, and the command before all.
    pub(in crate::tui::state) fn command_first(&mut self) {
        let (attached, typed) = self.attached();
        let Some(Ok((command, argument))) = command::parse(&typed) else {
            return;
        };
        if attached.is_empty() || !command.is_question() {
            return;
        }
        let (_, _, question) = parse(argument, self.dashboard.observed.policy.window);
        let before = argument[..argument.len() - question.len()].trim_end();
        let text = format!("/{} {before} {attached} {question}", command.name);
        self.composer.buffer.replace(text.trim_end().to_owned());
    }
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

impl State {
    /// `/compare [POLICY …] [BUDGET] [QUESTION]`.
    pub(in crate::tui::state) fn compare(&mut self, argument: &str, effects: &mut Vec<Effect>) {
        let messages = self.transcript().len();
        if argument.is_empty()
            && let Some(last) = self.comparison.as_mut()
            && last.messages == messages
        {
            last.open = true;
            return;
        }
        let window = self.dashboard.observed.policy.window;
        let (mut policies, budget, question) = parse(argument, window);
        if let Some(word) = unknown(question, budget.is_some(), window) {
            self.restore_compare(argument);
            let unknown = UnknownPolicy(word.to_owned());
            let text = format!("{unknown}; a question that begins so needs a budget before it");
            return self.note(Level::Warning, text);
        }
        if policies.is_empty() {
            policies = Compare::usual();
        }
        let raw = question.trim_end().to_owned();
        let draft = (!raw.is_empty()).then_some(Draft { raw });
        let why = match self.activity.phase {
            Phase::Ended => NO_MODEL,
            ref phase if phase.busy() => "stop the answer first (Esc)",
            ref phase if phase.waiting() => "the model is not ready yet",
            _ if draft.is_none() && messages == 0 => {
                "nothing was asked yet: write the question behind /compare"
            }
            _ => "",
        };
        if !why.is_empty() {
            self.restore_compare(argument);
            return self.toast(Level::Warning, why);
        }
        let question = draft
            .as_ref()
            .map(|d| self.composer.expand(d).trim().to_owned());
        let wish = Compare {
            question,
            policies,
            budget,
            max_tokens: self.sampling.max_tokens.min(MAX_TOKENS),
        };
        let asked = ComparisonView {
            draft,
            argument: argument.to_owned(),
            wish,
            ..ComparisonView::default()
        };
        self.start_comparison(asked, effects);
    }

    /// Nothing typed is lost.
    pub(super) fn restore_compare(&mut self, argument: &str) {
        if !argument.is_empty() {
            let raw = format!("/compare {argument}");
            self.composer.restore(&Draft { raw });
        }
    }

    /// What was asked is taken over; everything else begins anew.
    pub(super) fn start_comparison(&mut self, asked: ComparisonView, effects: &mut Vec<Effect>) {
        let wish = asked.wish.clone();
        self.comparison = Some(Box::new(ComparisonView {
            open: true,
            running: true,
            draft: asked.draft,
            argument: asked.argument,
            wish: asked.wish,
            messages: self.transcript().len(),
            ..ComparisonView::default()
        }));
        self.activity.begin(Phase::Comparing);
        self.selected = None;
        self.screen.enter_input();
        effects.push(Effect::Engine(Command::Compare(wish)));
    }
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
