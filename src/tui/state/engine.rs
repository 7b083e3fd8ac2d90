//! What the engine says, taken in.

use super::activity::rate;
use super::saved::ending;
use super::{Clock, Effect, Phase, State};
use crate::engine::event::{Event, EvictionRound, Stop, Trigger, TurnStats};
use crate::human;
use crate::saved::Record;
use crate::tui::conversation::{Did, Level};

impl State {
    pub(super) fn engine(&mut self, event: Event, effects: &mut Vec<Effect>) {
        let Clock { now, shown } = &self.clock;
        self.dashboard.observed.event(&event, *now, shown);
        self.activity.event(&event);
        self.first_start(&event, effects);
        match event {
            Event::Ready { model, .. } => {
                self.sampling.file = model.sampling;
                // Another model may have room for what filled the context of the one before.
                self.activity.position = 0;
                self.open_last();
                if !self.transcript().is_empty() {
                    // Brought back, or said to another model.
                    self.load(effects);
                }
                self.next(effects);
            }
            Event::Archive(archived) => self.archived = archived.tokens > 0,
            Event::PolicyChanged(policy) => self.policy_changed(&policy),
            Event::TurnStarted { .. } | Event::Prefill { .. } => self.show_reading(),
            Event::Eviction(round) => {
                let trigger = round.trigger;
                let text = eviction_line(&round);
                if let Some(answer) = self.conversation.answer_mut() {
                    match answer
                        .rounds
                        .last_mut()
                        .filter(|_| trigger == Trigger::Decode)
                    {
                        // One line however long the answer; the panel has each of them.
                        Some(last) if last.trigger == trigger => last.text = text,
                        _ => answer.rounds.push(Did { trigger, text }),
                    }
                }
            }
            Event::Text { piece, .. } => {
                self.read(effects);
                if let Some(answer) = self.conversation.answer_mut() {
                    answer.progress = None;
                    answer.say(&piece);
                    self.save_answer(&piece, false, effects);
                }
            }
            Event::Decoded { seconds, .. } => {
                self.read(effects);
                if let Some(answer) = self.conversation.answer_mut() {
                    answer.count(seconds);
                }
            }
            Event::TurnFinished(stats) => self.finished(&stats, effects),
            Event::Notice(text) => self.note(Level::Info, text),
            Event::Failed { message, .. } => {
                self.broken_off(effects);
                self.note(Level::Error, message);
            }
            Event::TooLong(figures) => self.refused(figures, effects),
            Event::Shortened { tag, bytes, tokens } => self.shortened(tag, bytes, tokens),
            Event::Counted { tag, tokens } => {
                self.counted(tag, tokens);
                self.warn_of_small(tokens);
            }
            Event::Compare(event) => self.compared(event, effects),
            Event::Fatal(message) => {
                self.broken_off(effects);
                self.drop_comparison();
                self.note(Level::Error, message);
                self.left_alone();
            }
            // For the panels and the status line.
            Event::Fetching { .. }
            | Event::Loading { .. }
            | Event::Tokens(_)
            | Event::Drafted { .. }
            | Event::InForce(_) => {}
        }
    }

    /// A turn ended without its figures: what there is of the answer is kept, else its question
    /// goes back into the input.
    pub(super) fn broken_off(&mut self, effects: &mut Vec<Effect>) {
        self.activity.over();
        if let Some(answer) = self.conversation.answer_mut() {
            answer.running = false;
            answer.progress = None;
            answer.pause();
        }
        self.save_answer("", true, effects);
        self.put_back(effects);
        self.open_last();
    }

    fn finished(&mut self, stats: &TurnStats, effects: &mut Vec<Effect>) {
        let going_on = self.activity.over();
        if stats.stop == Stop::Interrupted && stats.generated_tokens == 0 {
            if let Some(answer) = self.conversation.answer_mut() {
                answer.running = false;
                answer.progress = None;
                answer.pause();
            }
            let again = self.asked_again();
            self.put_back(effects);
            if again {
                // Nothing was changed in it.
                self.cancel_edit();
            }
            self.note(
                Level::Info,
                match going_on {
                    true => "stopped before it went on; the answer is as it was",
                    false => "stopped while reading; the conversation is as it was before",
                },
            );
            return self.next(effects);
        }
        self.read(effects);
        self.save_answer("", true, effects);
        let end = ending(stats.stop);
        let answer = self.conversation.answer_mut();
        let thought = answer.as_ref().and_then(|a| a.thoughts.record());
        effects.extend(thought.map(Effect::Record));
        effects.push(Effect::Record(Record::End(end)));
        let before = answer.map_or(0, |a| std::mem::replace(&mut a.tokens, 0));
        let tokens = before + stats.generated_tokens;
        let mut footer = format!("{} tokens", human::thousands(tokens));
        if let Some(rate) = rate(stats.generated_tokens as f64, stats.decode_seconds) {
            footer.push_str(&format!(" · {} tok/s", human::rate(rate)));
        }
        if stats.prompt_tokens > 0 {
            footer.push_str(&format!(
                " · read {} in {}",
                human::thousands(stats.prompt_tokens),
                human::duration(stats.prefill_seconds)
            ));
            // The template's own beginning is shared with other conversations: nobody asks for it.
            let shared = stats.reused_tokens < stats.prompt_tokens / 8;
            if !shared && stats.reused_tokens > 0 && self.dashboard.observed.archives() {
                let reused = human::thousands(stats.reused_tokens);
                footer.push_str(&format!(" · over {reused} archived"));
            }
        }
        match stats.stop {
            Stop::Eos => {}
            Stop::Length if self.context_full() => {
                let context = human::thousands(self.context().unwrap_or(0));
                footer.push_str(&format!(
                    " · the model's context of {context} tokens is full (/new, or /model with a \
                     longer one)"
                ));
            }
            Stop::Length => footer.push_str(" · ended at the longest length (/set max-tokens)"),
            Stop::Interrupted => footer.push_str(" · stopped"),
        }
        if let Some(answer) = self.conversation.answer_mut() {
            answer.running = false;
            answer.progress = None;
            answer.pause();
            answer.footer = Some(footer);
            answer.tokens = tokens;
            answer.end = Some(end);
        }
        self.open_last();
        if going_on && stats.generated_tokens == 0 {
            self.toast(
                Level::Info,
                "the model has nothing to add: the answer is complete",
            );
        }
        self.next(effects);
    }

    /// Where the answer will be: how far the reading is.
    fn show_reading(&mut self) {
        if let Some(reading) = self.activity.reading()
            && let Some(answer) = self.conversation.answer_mut()
            && answer.running
        {
            answer.progress = Some(reading);
        }
    }

    pub(super) fn engine_gone(&mut self, effects: &mut Vec<Effect>) {
        // A model that is on its way may have been told of the end already.
        let told = self.coming.as_ref().is_some_and(|c| c.alone);
        if self.activity.phase != Phase::Ended && !told {
            self.activity.phase = Phase::Ended;
            self.put_back(effects);
            self.drop_comparison();
            self.left_alone();
        }
    }
}

/// `evicted 7,440 → 1,024 per head · keeps 97.1 % of the attention (uniform 95.8 %) · freed …`, or
/// `↺ 412 of 1,024 per head came back from the archive (40 %) · keeps …`.
fn eviction_line(round: &EvictionRound) -> String {
    // A round may concern some layers only.
    let heads: usize = round.layers.iter().map(|l| l.budgets.len()).sum();
    let heads = heads.max(1);
    let per_head = |n: usize| human::thousands((n + heads / 2) / heads);
    let (before, after) = (
        per_head(round.before_entries),
        per_head(round.after_entries),
    );
    let what = match (round.trigger, round.recalled_entries) {
        (Trigger::Prefill, _) => format!("evicted {before} → {after} per head"),
        (Trigger::Decode, _) => format!("evicted again {before} → {after} per head"),
        (Trigger::Recall, 0) => {
            format!("↺ selected {after} of {before} per head, nothing had to come back")
        }
        (Trigger::Recall, back) => {
            let share = back as f64 / round.after_entries.max(1) as f64;
            format!(
                "↺ {} of {after} per head came back from the archive ({})",
                per_head(back),
                human::percent_whole(share.min(1.0))
            )
        }
    };
    let freed = match round.trigger {
        // Nothing of what was read anew was ever in the cache.
        Trigger::Recall => String::new(),
        Trigger::Prefill | Trigger::Decode => format!(
            " · freed {} in {}",
            human::bytes(round.freed_bytes),
            human::duration(round.milliseconds / 1000.0)
        ),
    };
    format!(
        "{what} · keeps {} of the attention (uniform {}){freed}",
        human::percent(round.retained_mass),
        human::percent(round.uniform_retained_mass),
    )
}
