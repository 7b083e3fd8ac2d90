//! `/compare`: one question under several policies, side by side.

use crossterm::event::{KeyCode, KeyEvent};

use super::{Effect, Focus, Phase, State};
use crate::engine::compare::{MAX_TOKENS, Past, Plan, Run};
use crate::engine::event::{Command, Compare, CompareEvent, Stop};
use crate::human;
use crate::policy::{Budget, Preset};
use crate::session::{Ending, Record};
use crate::tui::composer::Draft;
use crate::tui::conversation::{Answer, Entry, Level};
use crate::tui::text::safe;

/// What is compared where nothing is named, beside the full cache.
const USUAL: [Preset; 2] = [Preset::SnapKv, Preset::AdaSnapKv];

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Progress {
    #[default]
    Waiting,
    /// 0–1.
    Reading(f64),
    /// Tokens so far.
    Answering(usize),
    /// The full cache's answer is fed; 0–1.
    Measuring(f64),
    Done,
    /// It was stopped before its end.
    Stopped,
}

/// One policy's run as it is shown.
#[derive(Clone, Debug, Default)]
pub struct Column {
    pub policy: String,
    pub budget: Option<usize>,
    pub progress: Progress,
    /// The answer as far as it is the full cache's, the first token that is not, and what follows;
    /// safe to show.
    pub same: String,
    pub other: String,
    pub rest: String,
    pub diverged: bool,
    pub run: Option<Run>,
}

/// The last comparison.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// The view is on the screen.
    pub open: bool,
    pub running: bool,
    pub stopped: bool,
    pub plan: Option<Plan>,
    pub columns: Vec<Column>,
    /// The picked column, and the first line of the answers in view.
    pub column: usize,
    pub top: usize,
    /// The column was picked by hand; else it is the one that runs.
    picked: bool,
    /// The question as it stood in the input; `None` = the last one was asked again.
    draft: Option<Draft>,
    /// All that stood behind `/compare`.
    argument: String,
    wish: Compare,
    /// Messages of the conversation that it belongs to.
    messages: usize,
}

/// Policies and a budget at the beginning of `/compare`'s argument, and the question behind them.
fn parse(argument: &str, window: usize) -> (Vec<String>, Option<String>, &str) {
    let (mut policies, mut budget, mut rest) = (Vec::new(), None, argument.trim_start());
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let word = &rest[..end];
        // A number that could be no budget begins a question: `/compare 2 + 2?`.
        let size = word.parse::<usize>().is_ok_and(|n| n <= window);
        if let Ok(name) = crate::config::values::policy_name(word) {
            policies.push(name);
        } else if budget.is_none() && !size && word.parse::<Budget>().is_ok() {
            budget = Some(word.to_owned());
        } else {
            break;
        }
        rest = rest[end..].trim_start();
    }
    (policies, budget, rest)
}

impl State {
    /// The view is on the screen.
    pub fn comparing(&self) -> bool {
        self.zoom.is_none() && self.comparison.as_ref().is_some_and(|c| c.open)
    }

    /// `/compare [POLICY …] [BUDGET] [QUESTION]`.
    pub(super) fn compare(&mut self, argument: &str, effects: &mut Vec<Effect>) {
        let messages = self.transcript().len();
        if argument.is_empty()
            && let Some(last) = self.comparison.as_mut()
            && last.messages == messages
        {
            last.open = true;
            return;
        }
        let window = self.observed.policy.window;
        let (mut policies, budget, question) = parse(argument, window);
        if policies.is_empty() {
            policies = USUAL.map(|p| p.name().to_owned()).to_vec();
        }
        let raw = question.trim_end().to_owned();
        let draft = (!raw.is_empty()).then_some(Draft { raw });
        let why = match self.phase {
            Phase::Ended => "no model is running; restart cachat",
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
        let asked = Comparison {
            draft,
            argument: argument.to_owned(),
            wish,
            ..Comparison::default()
        };
        self.start_comparison(asked, effects);
    }

    /// Nothing typed is lost.
    fn restore_compare(&mut self, argument: &str) {
        if !argument.is_empty() {
            let raw = format!("/compare {argument}");
            self.composer.restore(&Draft { raw });
        }
    }

    /// What was asked is taken over; everything else begins anew.
    fn start_comparison(&mut self, asked: Comparison, effects: &mut Vec<Effect>) {
        let wish = asked.wish.clone();
        self.comparison = Some(Box::new(Comparison {
            open: true,
            running: true,
            draft: asked.draft,
            argument: asked.argument,
            wish: asked.wish,
            messages: self.transcript().len(),
            ..Comparison::default()
        }));
        self.phase = Phase::Comparing;
        self.stopping = false;
        self.selected = None;
        (self.zoom, self.focus) = (None, Focus::Input);
        effects.push(Effect::Engine(Command::Compare(wish)));
    }

    /// What the engine says about it.
    pub(super) fn compared(&mut self, event: CompareEvent, effects: &mut Vec<Effect>) {
        let Some(c) = self.comparison.as_mut() else {
            return;
        };
        match event {
            CompareEvent::Started(plan) => {
                c.columns = plan
                    .policies
                    .iter()
                    .map(|(policy, budget)| Column {
                        policy: policy.clone(),
                        budget: *budget,
                        ..Column::default()
                    })
                    .collect();
                c.plan = Some(*plan);
            }
            CompareEvent::Prefill { run, share } => c.progress(run, Progress::Reading(share)),
            CompareEvent::Decoded { run, generated } => {
                c.progress(run, Progress::Answering(generated));
            }
            CompareEvent::Measuring { run, share } => c.progress(run, Progress::Measuring(share)),
            CompareEvent::Diverged { run } => {
                if let Some(column) = c.columns.get_mut(run) {
                    column.diverged = true;
                }
            }
            CompareEvent::Text { run, piece } => {
                let piece = safe::visible(&piece);
                if let Some(column) = c.columns.get_mut(run) {
                    match (column.diverged, column.other.is_empty()) {
                        (false, _) => column.same.push_str(&piece),
                        (true, true) => column.other.push_str(&piece),
                        (true, false) => column.rest.push_str(&piece),
                    }
                }
            }
            CompareEvent::Finished { run, result } => {
                c.progress(
                    run,
                    match result.stop {
                        Stop::Interrupted => Progress::Stopped,
                        _ => Progress::Done,
                    },
                );
                if let Some(column) = c.columns.get_mut(run) {
                    column.run = Some(*result);
                }
            }
            CompareEvent::Ended { stopped } => {
                (c.running, c.stopped) = (false, stopped);
                for column in &mut c.columns {
                    if !matches!(column.progress, Progress::Done | Progress::Waiting) {
                        column.progress = Progress::Stopped;
                    }
                }
                self.comparison_over(effects);
            }
            CompareEvent::Failed(message) => {
                self.drop_comparison();
                self.note(Level::Error, message);
                self.comparison_over(effects);
            }
        }
    }

    /// One that will not come to its end: what was typed goes back into the input.
    pub(super) fn drop_comparison(&mut self) {
        if let Some(c) = self.comparison.take_if(|c| c.running) {
            self.restore_compare(&c.argument);
        }
    }

    fn comparison_over(&mut self, effects: &mut Vec<Effect>) {
        self.phase = Phase::Idle;
        self.stopping = false;
        self.next(effects);
    }

    /// Esc stops it, and then closes it.
    pub(super) fn leave_comparison(&mut self, effects: &mut Vec<Effect>) {
        match self.phase.busy() {
            true => self.stop(effects),
            false => {
                if let Some(c) = self.comparison.as_mut() {
                    c.open = false;
                }
                self.toast(Level::Info, "/compare shows it again");
            }
        }
    }

    /// Keys of the view; all of them.
    pub(super) fn compare_key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) {
        let Some(c) = self.comparison.as_mut() else {
            return;
        };
        let last = c.columns.len().saturating_sub(1);
        c.picked |= matches!(
            key.code,
            KeyCode::Left | KeyCode::Right | KeyCode::Tab | KeyCode::BackTab
        );
        match key.code {
            KeyCode::Left | KeyCode::BackTab => c.column = c.column.saturating_sub(1),
            KeyCode::Right | KeyCode::Tab => c.column = (c.column + 1).min(last),
            KeyCode::Up => c.top = c.top.saturating_sub(1),
            KeyCode::Down => c.top += 1,
            KeyCode::PageUp => c.top = c.top.saturating_sub(8),
            KeyCode::PageDown | KeyCode::Char(' ') => c.top += 8,
            KeyCode::Home => c.top = 0,
            KeyCode::Char('?') => self.show_help(true),
            KeyCode::Char('q') => self.leave_comparison(effects),
            _ if self.phase.busy() => {}
            KeyCode::Char(n @ '1'..='9') => self.keep(n as usize - '1' as usize, effects),
            KeyCode::Char('y') => {
                if let Some(text) = self.comparison_markdown() {
                    self.put_on_clipboard(text, effects);
                }
            }
            KeyCode::Char('r') if self.phase == Phase::Ended => {
                self.toast(Level::Warning, "no model is running; restart cachat");
            }
            KeyCode::Char('r') if self.phase.waiting() => {
                self.toast(Level::Warning, "the model is not ready yet");
            }
            KeyCode::Char('r') => {
                let asked = Comparison::clone(c);
                self.start_comparison(asked, effects);
            }
            _ => {}
        }
        if let Some(c) = self.comparison.as_mut() {
            // Beyond the longest answer's lines.
            c.top = c.top.min(4 * MAX_TOKENS);
        }
    }

    /// One of the answers becomes the turn.
    fn keep(&mut self, at: usize, effects: &mut Vec<Effect>) {
        let Some(c) = self.comparison.as_ref() else {
            return;
        };
        let kept = c.columns.get(at).and_then(|column| column.run.clone());
        let Some(run) = kept else {
            return self.toast(Level::Warning, "there is no such answer");
        };
        if c.messages != self.transcript().len() {
            return self.toast(Level::Warning, "the conversation has gone on since");
        }
        let draft = match c.draft.clone() {
            Some(draft) => draft,
            // The answers there were give way to this one.
            None => match self.rewind(None, effects) {
                Some(draft) => draft,
                None => return,
            },
        };
        self.comparison = None;
        self.close_last();
        let parts = self.parts(&draft.raw);
        effects.push(Effect::Record(Record::User(self.pieces(&draft))));
        self.conversation.push(Entry::User {
            parts,
            raw: draft.raw,
        });
        let end = match run.stop {
            Stop::Eos => Ending::Complete,
            Stop::Length => Ending::Length,
            Stop::Interrupted => Ending::Stopped,
        };
        let mut answer = Answer {
            footer: Some(format!("{} tokens · {}", run.generated_tokens, run.policy)),
            tokens: run.generated_tokens,
            end: Some(end),
            ..Answer::default()
        };
        answer.text.push(&safe::visible(&run.answer));
        answer.raw.clone_from(&run.answer);
        self.conversation.push(Entry::Answer(Box::new(answer)));
        self.open_last();
        self.conversation.scroll.to_bottom();
        effects.push(Effect::Record(Record::Answer(run.answer)));
        effects.push(Effect::Record(Record::End(end)));
        effects.push(Effect::Engine(Command::Load(self.transcript())));
        let text = format!(
            "kept the answer under {}; it is read with the next question",
            run.policy
        );
        self.toast(Level::Info, text);
    }

    /// The comparison as Markdown, where it belongs to the conversation and has something to say.
    pub(super) fn comparison_markdown(&self) -> Option<String> {
        let c = self.comparison.as_ref()?;
        let plan = c.plan.as_ref()?;
        let runs: Vec<&Run> = c.columns.iter().filter_map(|c| c.run.as_ref()).collect();
        (!runs.is_empty() && c.messages == self.transcript().len())
            .then(|| crate::report::compare::markdown(plan, &runs))
    }
}

impl Comparison {
    fn progress(&mut self, run: usize, progress: Progress) {
        if !self.picked && run < self.columns.len() {
            self.column = run;
        }
        if let Some(column) = self.columns.get_mut(run) {
            column.progress = progress;
        }
    }

    /// What all runs start from, in words.
    pub fn past(&self) -> String {
        let Some(plan) = &self.plan else {
            return "the model looks at the question".to_owned();
        };
        let tokens = human::thousands(plan.prompt_tokens);
        let past = match plan.past {
            Past::Empty => "from an empty cache",
            Past::Shared => "on top of the conversation's own cache",
            Past::Reread => "the whole conversation, read anew under each policy",
        };
        format!("greedy · {tokens} tokens read, {past}")
    }

    /// Why there is nothing to see, where the budget holds everything.
    pub fn within(&self) -> Option<String> {
        let plan = self.plan.as_ref()?;
        let budget = plan.policies.iter().filter_map(|p| p.1).min()?;
        (plan.position <= budget).then(|| {
            format!(
                "{} tokens fit the budget of {}: nothing has to be evicted. Try /compare {}",
                human::thousands(plan.position),
                human::thousands(budget),
                (plan.position / 4).max(64)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_and_a_budget_stand_before_the_question() {
        let words = |text| {
            let (policies, budget, rest) = parse(text, 32);
            (
                policies.join(" "),
                budget.unwrap_or_default(),
                rest.to_owned(),
            )
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
}
