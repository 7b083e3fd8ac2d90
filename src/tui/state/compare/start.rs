//! A comparison is asked for.

use super::ComparisonView;
use super::words::{parse, unknown};
use crate::engine::compare::MAX_TOKENS;
use crate::engine::event::{Command, Compare};
use crate::policy::preset::UnknownPolicy;
use crate::tui::composer::Draft;
use crate::tui::conversation::Level;
use crate::tui::state::coming::NO_MODEL;
use crate::tui::state::{Effect, Phase, State, command};

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
            policies = Compare::beside(self.dashboard.observed.policy.preset);
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
            max_tokens: self.sampling.in_force().max_tokens.min(MAX_TOKENS),
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
