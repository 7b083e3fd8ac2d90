//! `/model`: another model is loaded beside the one that answers. That one goes on until the other
//! is ready, and for good where the other cannot be had.

use super::{Effect, Phase, State};
use crate::engine::event::{Command, Event};
use crate::tui::conversation::Level;
use crate::tui::text::safe;

/// Said where something needs a model and there is none.
pub(super) const NO_MODEL: &str = "no model is running; /model starts one";

/// A model that is on its way.
#[derive(Clone, Debug)]
pub struct Coming {
    /// As it was named; not yet safe to show.
    pub name: String,
    /// How far it is: looked for, fetched or loaded.
    pub phase: Phase,
    /// No other model runs meanwhile.
    pub alone: bool,
    /// What it said when it was ready; it waits for the running answer.
    ready: Option<Event>,
}

impl Coming {
    /// Its name as it is shown, of a path the last part.
    pub fn shown(&self) -> String {
        let last = self.name.trim_end_matches('/').rsplit('/').next();
        safe::one_line(last.unwrap_or(&self.name))
    }
}

impl State {
    /// `/model NAME`: the conversation is read by that model with the next question. Without a name,
    /// the list of models.
    pub(super) fn change_model(&mut self, argument: &str, effects: &mut Vec<Effect>) {
        if argument.is_empty() {
            return self.pick_model();
        }
        if self.coming.is_none() && self.answers_already(argument) {
            return self.toast(Level::Info, "that model answers already");
        }
        let alone = match &self.coming {
            Some(coming) => coming.alone,
            None => self.activity.phase == Phase::Ended,
        };
        let coming = Coming {
            name: argument.to_owned(),
            phase: Phase::Starting,
            alone,
            ready: None,
        };
        if alone {
            self.activity.begin(Phase::Starting);
        } else if let Some(now) = self.dashboard.observed.model.as_ref().map(|m| &m.name) {
            let text = format!(
                "{now} goes on answering until {} is ready; for that moment both are in memory",
                coming.shown()
            );
            self.note(Level::Info, text);
        }
        self.coming = Some(coming);
        effects.push(Effect::Model(argument.to_owned()));
    }

    /// What a model that is on its way says; `None` is its end.
    pub(super) fn coming(&mut self, event: Option<Event>) {
        let Some(coming) = &mut self.coming else {
            return;
        };
        match event {
            Some(event @ Event::Ready { .. }) => coming.ready = Some(event),
            Some(event @ (Event::Fetching { .. } | Event::Loading { .. })) => {
                coming.phase.told(&event);
                if coming.alone {
                    self.activity.phase = coming.phase.clone();
                }
            }
            Some(Event::Fatal(message)) => self.not_coming(&message),
            None => {
                let name = coming.shown();
                self.not_coming(&format!("the engine of {name} ended"));
            }
            Some(Event::Notice(text)) => self.note(Level::Info, text),
            Some(_) => {}
        }
    }

    fn not_coming(&mut self, why: &str) {
        let Some(coming) = self.coming.take() else {
            return;
        };
        let text = match (&self.dashboard.observed.model, coming.alone) {
            (Some(model), false) => format!("{why}\n{} goes on.", model.name),
            _ => why.to_owned(),
        };
        self.note(Level::Error, text);
        if coming.alone {
            self.activity.phase = Phase::Ended;
            self.put_back_queue();
        }
    }

    /// The running model is gone: what is on its way is alone now.
    pub(super) fn left_alone(&mut self) {
        if let Some(coming) = &mut self.coming {
            coming.alone = true;
            self.activity.phase = coming.phase.clone();
        }
    }

    /// The model that is ready takes over, once nothing runs any more; what was set since the start
    /// goes with the conversation.
    pub(super) fn switch(&mut self, effects: &mut Vec<Effect>) {
        if self.activity.phase.busy() {
            return;
        }
        let ready = self.coming.take_if(|c| c.ready.is_some());
        let Some(Event::Ready { model, policy }) = ready.and_then(|c| c.ready) else {
            return;
        };
        let more = match self.transcript().is_empty() {
            true => "",
            false => "; what was said is read with the next question",
        };
        let text = format!("{} answers from now on{more}", model.name);
        self.note(Level::Info, text);
        let event = Event::Ready { model, policy };
        effects.push(Effect::Switch);
        // What its own archive has of the conversation is not known yet.
        self.archived = false;
        let before = self.dashboard.observed.policy;
        let known = self.dashboard.observed.model.is_some();
        let same = (before.preset, before.budget) == (policy.preset, policy.budget);
        if known && !same {
            effects.push(Effect::Engine(Command::SetPolicy {
                policy: Some(before.preset),
                budget: Some(before.budget),
            }));
        }
        let sampling = self.sampling.yours.clone();
        effects.push(Effect::Engine(Command::SetSampling(sampling)));
        if let Some(mode) = self.archive_set {
            effects.push(Effect::Engine(Command::SetArchive(mode)));
        }
        let Some([here, next]) = self.system.carried() else {
            return self.engine(event, effects);
        };
        effects.push(here);
        // An empty conversation has it only when it begins.
        effects.push(Effect::Engine(Command::Reset));
        self.engine(event, effects);
        effects.push(next);
    }
}
