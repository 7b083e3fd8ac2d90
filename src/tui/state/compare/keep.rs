//! What becomes of a comparison: one of its answers is kept, or all of it is copied and saved.

use crate::engine::compare::PolicyRun;
use crate::engine::event::Command;
use crate::saved::Record;
use crate::tui::conversation::{Answer, Entry, Level};
use crate::tui::state::saved::ending;
use crate::tui::state::{Effect, State};

impl State {
    /// One of the answers becomes the turn.
    pub(super) fn keep(&mut self, at: usize, effects: &mut Vec<Effect>) {
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
        self.show_question(&draft, effects);
        let end = ending(run.stop);
        let mut answer = Answer {
            footer: Some(format!("{} tokens · {}", run.generated_tokens, run.policy)),
            tokens: run.generated_tokens,
            end: Some(end),
            ..Answer::default()
        };
        answer.say(&run.answer);
        answer.pause();
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
    pub(in crate::tui::state) fn comparison_markdown(&self) -> Option<String> {
        let c = self.comparison.as_ref()?;
        let plan = c.plan.as_ref()?;
        let runs: Vec<&PolicyRun> = c.columns.iter().filter_map(|c| c.run.as_ref()).collect();
        (!runs.is_empty() && c.messages == self.transcript().len())
            .then(|| crate::report::compare::markdown(plan, &runs))
    }
}
