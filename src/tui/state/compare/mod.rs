//! `/compare`: one question under several policies, side by side.

mod events;
mod keep;
mod keys;
mod said;
mod start;
mod words;

pub use said::{Said, Voice};
pub(in crate::tui::state) use words::last_word;

use super::State;
use crate::engine::compare::{Past, Plan, PolicyRun};
use crate::engine::event::Compare;
use crate::human;
use crate::tui::composer::Draft;

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Stage {
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
    pub stage: Stage,
    /// The answer, safe to show.
    pub said: Said,
    pub run: Option<PolicyRun>,
}

/// The last comparison as it is shown.
#[derive(Clone, Debug, Default)]
pub struct ComparisonView {
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

impl State {
    /// The view is on the screen.
    pub fn comparing(&self) -> bool {
        self.screen.zoom.is_none() && self.comparison.as_ref().is_some_and(|c| c.open)
    }
}

impl ComparisonView {
    fn at(&mut self, run: usize, stage: Stage) {
        if !self.picked && run < self.columns.len() {
            self.column = run;
        }
        if let Some(column) = self.columns.get_mut(run) {
            column.stage = stage;
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
            Past::Archived => "from the conversation's archive",
            Past::Reread => "the whole conversation, read anew under each policy",
        };
        let left_out = match plan.left_out {
            true => " · its earlier answer is left out",
            false => "",
        };
        match (plan.past, plan.prompt_tokens) {
            (Past::Archived, 0) => format!("greedy · all of it {past}{left_out}"),
            _ => format!("greedy · {tokens} tokens read, {past}{left_out}"),
        }
    }

    /// Why there is nothing to see, where the budget holds everything.
    pub fn within(&self) -> Option<String> {
        let plan = self.plan.as_ref()?;
        let budget = plan.within()?;
        let fits = format!(
            "{} tokens fit the budget of {}: nothing has to be evicted",
            human::thousands(plan.position),
            human::thousands(budget),
        );
        // Half of the text at most, or there is little to see.
        Some(match (plan.position / 4).max(64) {
            less if less * 2 <= plan.position => format!("{fits}. Try /compare {less}"),
            _ => format!("{fits}. A longer text shows more"),
        })
    }
}
