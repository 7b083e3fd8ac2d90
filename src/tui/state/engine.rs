//! What the engine says, taken in.

use super::phase::rate;
use super::{Effect, Phase, State};
use crate::engine::event::{Command, Event, EvictionRound, Stop, Trigger, TurnStats};
use crate::human;
use crate::session::{Ending, Record};
use crate::tui::conversation::{Level, Progress};
use crate::tui::text::safe;

impl State {
    pub(super) fn engine(&mut self, event: Event, effects: &mut Vec<Effect>) {
        self.observed.event(&event, self.now, &self.clock);
        match event {
            Event::Fetching { what, done, total } => {
                self.phase = Phase::Fetching { what, done, total };
            }
            Event::Loading { share } => self.phase = Phase::Loading(share),
            Event::Ready { .. } => {
                self.phase = Phase::Idle;
                let said = self.transcript();
                if !said.is_empty() {
                    // Brought back, or said to another model.
                    effects.push(Effect::Engine(Command::Load(said)));
                }
                self.next(effects);
            }
            Event::PolicyChanged(policy) => {
                let budget = policy.budget.map(human::thousands);
                let text = match budget {
                    Some(n) => format!(
                        "from the next turn on: {} with {n} entries per KV head",
                        policy.name
                    ),
                    None => format!("from the next turn on: {}, nothing is evicted", policy.name),
                };
                self.note(Level::Info, text);
            }
            // An answer goes on from the cache: nothing is read.
            Event::TurnStarted {
                prompt_tokens: 0, ..
            } => {
                let (generated, seconds) = (0, 0.0);
                self.phase = Phase::Decoding { generated, seconds };
            }
            Event::TurnStarted { prompt_tokens, .. } => {
                self.phase = Phase::Prefill {
                    share: 0.0,
                    tokens: prompt_tokens,
                    seconds: 0.0,
                };
                self.progress();
            }
            Event::Prefill {
                done,
                total,
                tokens,
                seconds,
                ..
            } => {
                let share = done as f64 / total.max(1) as f64;
                self.speeds.prefill = rate(tokens as f64 * share, seconds).or(self.speeds.prefill);
                self.phase = Phase::Prefill {
                    share,
                    tokens,
                    seconds,
                };
                self.progress();
            }
            Event::Eviction(round) => {
                let line = eviction_line(&round);
                if let Some(answer) = self.conversation.answer_mut() {
                    match (round.trigger, answer.rounds.last_mut()) {
                        // One line however long the answer; the panel has each of them.
                        (Trigger::Decode, Some(last)) if last.starts_with(AGAIN) => *last = line,
                        _ => answer.rounds.push(line),
                    }
                }
            }
            Event::Text { piece, .. } => {
                self.asked = None;
                if let Some(answer) = self.conversation.answer_mut() {
                    answer.progress = None;
                    answer.text.push(&safe::visible(&piece));
                    answer.raw.push_str(&piece);
                    self.save_answer(&piece, false, effects);
                }
            }
            Event::Decoded {
                generated,
                seconds,
                position,
                ..
            } => {
                self.asked = None;
                self.position = position;
                self.speeds.decode = rate(generated as f64, seconds).or(self.speeds.decode);
                self.phase = Phase::Decoding { generated, seconds };
            }
            Event::TurnFinished(stats) => self.finished(&stats, effects),
            Event::Notice(text) => self.note(Level::Info, text),
            Event::Failed { message, .. } => {
                self.phase = Phase::Idle;
                self.broken_off(effects);
                self.note(Level::Error, message);
            }
            Event::TooLong(figures) => {
                self.phase = Phase::Idle;
                self.refused(figures, effects);
            }
            Event::Tokens(_) => {}
            Event::Cut { tag, bytes, tokens } => self.cut_to(tag, bytes, tokens),
            Event::Counted { tag, tokens } => self.counted(tag, tokens),
            Event::Compare(event) => self.compared(event, effects),
            Event::Fatal(message) => {
                self.phase = Phase::Ended;
                self.broken_off(effects);
                self.drop_comparison();
                self.note(Level::Error, message);
            }
        }
    }

    /// A turn ended without its figures: what there is of the answer is kept, else its question
    /// goes back into the input.
    pub(super) fn broken_off(&mut self, effects: &mut Vec<Effect>) {
        self.stopping = false;
        self.going_on = false;
        if let Some(answer) = self.conversation.answer_mut() {
            answer.running = false;
            answer.progress = None;
        }
        self.save_answer("", true, effects);
        self.put_back(effects);
        self.open_last();
    }

    fn finished(&mut self, stats: &TurnStats, effects: &mut Vec<Effect>) {
        self.phase = Phase::Idle;
        self.stopping = false;
        let prefill = rate(stats.prompt_tokens as f64, stats.prefill_seconds);
        let decode = rate(stats.generated_tokens as f64, stats.decode_seconds);
        let going_on = std::mem::take(&mut self.going_on);
        if stats.stop == Stop::Interrupted && stats.generated_tokens == 0 {
            if let Some(answer) = self.conversation.answer_mut() {
                answer.running = false;
                answer.progress = None;
            }
            self.put_back(effects);
            self.note(
                Level::Info,
                match going_on {
                    true => "stopped before it went on; the answer is as it was",
                    false => "stopped while reading; the conversation is as it was before",
                },
            );
            return self.next(effects);
        }
        self.asked = None;
        self.save_answer("", true, effects);
        let end = match stats.stop {
            Stop::Eos => Ending::Complete,
            Stop::Length => Ending::Length,
            Stop::Interrupted => Ending::Stopped,
        };
        effects.push(Effect::Record(Record::End(end)));
        let answer = self.conversation.answer_mut();
        let before = answer.map_or(0, |a| std::mem::replace(&mut a.tokens, 0));
        let tokens = before + stats.generated_tokens;
        self.speeds.prefill = prefill.or(self.speeds.prefill);
        self.speeds.decode = decode.or(self.speeds.decode);
        let mut footer = format!("{} tokens", human::thousands(tokens));
        if let Some(rate) = decode {
            footer.push_str(&format!(" · {} tok/s", human::rate(rate)));
        }
        if stats.prompt_tokens > 0 {
            footer.push_str(&format!(
                " · read {} in {}",
                human::thousands(stats.prompt_tokens),
                human::duration(stats.prefill_seconds)
            ));
        }
        match stats.stop {
            Stop::Eos => {}
            Stop::Length => footer.push_str(" · ended at the longest length (/set max-tokens)"),
            Stop::Interrupted => footer.push_str(" · stopped"),
        }
        if let Some(answer) = self.conversation.answer_mut() {
            answer.running = false;
            answer.progress = None;
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
    fn progress(&mut self) {
        let Phase::Prefill {
            share,
            tokens,
            seconds,
        } = self.phase
        else {
            return;
        };
        let mut text = format!(
            "reading {} tokens · {}",
            human::thousands(tokens),
            human::percent_whole(share)
        );
        // An estimate means something only after a while.
        if share > 0.02 && seconds > 0.3 && share < 1.0 {
            let left = seconds / share * (1.0 - share);
            text.push_str(&format!(" · {} left", human::remaining(left)));
        }
        if let Some(answer) = self.conversation.answer_mut()
            && answer.running
        {
            answer.progress = Some(Progress { share, text });
        }
    }
}

const AGAIN: &str = "evicted again";

/// `evicted 7,440 → 1,024 per head · kept 97.1 % of the attention (uniform 95.8 %) · freed …`.
fn eviction_line(round: &EvictionRound) -> String {
    let verb = match round.trigger {
        Trigger::Prefill => "evicted",
        Trigger::Decode => AGAIN,
    };
    // A round may concern some layers only.
    let heads: usize = round.layers.iter().map(|l| l.budgets.len()).sum();
    let heads = heads.max(1);
    let per_head = |n: usize| human::thousands((n + heads / 2) / heads);
    format!(
        "{verb} {} → {} per head · keeps {} of the attention (uniform {}) · freed {} in {}",
        per_head(round.before_entries),
        per_head(round.after_entries),
        human::percent(round.retained_mass),
        human::percent(round.uniform_retained_mass),
        human::bytes(round.freed_bytes),
        human::duration(round.milliseconds / 1000.0),
    )
}
