//! What the engine says about a comparison, and its end.

use super::{Column, Stage};
use crate::engine::event::{CompareEvent, Stop};
use crate::tui::conversation::Level;
use crate::tui::state::{Effect, Phase, State};

impl State {
    /// What the engine says about it.
    pub(in crate::tui::state) fn compared(
        &mut self,
        event: CompareEvent,
        effects: &mut Vec<Effect>,
    ) {
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
                // Kept, one of the answers takes the place of the earlier one.
                c.draft.take_if(|_| plan.left_out);
                c.plan = Some(*plan);
            }
            CompareEvent::Prefill { run, share } => c.at(run, Stage::Reading(share)),
            CompareEvent::Decoded { run, generated } => {
                c.at(run, Stage::Answering(generated));
            }
            CompareEvent::Measuring { run, share } => c.at(run, Stage::Measuring(share)),
            CompareEvent::Diverged { run } => {
                if let Some(column) = c.columns.get_mut(run) {
                    column.said.diverge();
                }
            }
            CompareEvent::Text { run, piece } => {
                if let Some(column) = c.columns.get_mut(run) {
                    column.said.push(&piece);
                }
            }
            CompareEvent::Finished { run, result } => {
                c.at(
                    run,
                    match result.stop {
                        Stop::Interrupted => Stage::Stopped,
                        _ => Stage::Done,
                    },
                );
                if let Some(column) = c.columns.get_mut(run) {
                    column.said.finish();
                    column.run = Some(*result);
                }
            }
            CompareEvent::Ended { stopped } => {
                (c.running, c.stopped) = (false, stopped);
                for column in &mut c.columns {
                    if !matches!(column.stage, Stage::Done | Stage::Waiting) {
                        column.stage = Stage::Stopped;
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
    pub(in crate::tui::state) fn drop_comparison(&mut self) {
        if let Some(c) = self.comparison.take_if(|c| c.running) {
            self.restore_compare(&c.argument);
        }
    }

    fn comparison_over(&mut self, effects: &mut Vec<Effect>) {
        self.activity.phase = Phase::Idle;
        self.activity.over();
        self.next(effects);
    }
}
