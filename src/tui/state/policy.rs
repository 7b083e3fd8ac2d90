//! `/policy` and `/budget`: read where they are typed, told to the engine as what they are.

use super::{Effect, State};
use crate::engine::event::{Command, InForce, PolicyInfo};
use crate::human;
use crate::policy::{Budget, Preset};
use crate::tui::conversation::Level;

impl State {
    /// What a model evicts by, once there is one.
    pub(super) fn policy(&self) -> Option<&PolicyInfo> {
        let observed = &self.dashboard.observed;
        observed.model.as_ref().map(|_| &observed.policy)
    }

    pub(super) fn set_policy(&mut self, argument: &str, effects: &mut Vec<Effect>) {
        if argument.is_empty() {
            return self.say_policy();
        }
        match argument.parse::<Preset>() {
            Ok(preset) => effects.push(Effect::Engine(Command::SetPolicy {
                policy: Some(preset),
                budget: None,
            })),
            Err(why) => self.mend("policy", argument, why.to_string()),
        }
    }

    pub(super) fn set_budget(&mut self, argument: &str, effects: &mut Vec<Effect>) {
        if argument.is_empty() {
            return self.say_policy();
        }
        match argument.parse::<Budget>() {
            Ok(budget) => effects.push(Effect::Engine(Command::SetPolicy {
                policy: None,
                budget: Some(budget),
            })),
            Err(why) => self.mend("budget", argument, why.to_string()),
        }
    }

    fn say_policy(&mut self) {
        let Some(policy) = self.policy() else {
            let text = "what evicts, and to what budget, is known once the model is ready";
            return self.note(Level::Info, text);
        };
        let budget = match policy.in_force {
            InForce::Unbounded => "no bound".to_owned(),
            _ => format!(
                "{}, evicting again {} above",
                bound(policy),
                human::thousands(policy.slack)
            ),
        };
        let text = format!("{}: {budget}", policy.preset);
        self.note(Level::Info, text);
    }

    pub(super) fn policy_changed(&mut self, policy: &PolicyInfo) {
        let evicted = self.dashboard.observed.saved().is_some_and(|s| s > 0.0);
        let budget = match policy.in_force {
            InForce::Unbounded if evicted && self.archived => {
                ", nothing is evicted; what was comes back from the archive".to_owned()
            }
            InForce::Unbounded if evicted => ", nothing more is evicted; what was evicted \
                 before stays away until the conversation is read again, as /retry does"
                .to_owned(),
            InForce::Unbounded => ", nothing is evicted".to_owned(),
            _ => format!(" with {}", bound(policy)),
        };
        // With an archive the cache is selected anew at once, from all that was said.
        let observed = &self.dashboard.observed;
        let at_once = observed.archives() && observed.picture.position > 0;
        let when = match at_once {
            true => "from now on",
            false => "from the next turn on",
        };
        let text = format!("{when}: {}{budget}", policy.preset);
        self.note(Level::Info, text);
    }
}

/// A budget in words: as it was stated, and what that comes to where it says something else.
fn bound(policy: &PolicyInfo) -> String {
    let entries = policy.in_force.entries();
    match (policy.budget, entries) {
        (Budget::Tokens(n), _) => format!("{} entries per KV head", human::thousands(n)),
        (stated, Some(n)) => {
            let n = human::thousands(n);
            format!("{stated}, {n} entries per KV head")
        }
        (share @ Budget::Share(_), None) => format!("{share} of what is read"),
        (stated, None) => stated.to_string(),
    }
}
