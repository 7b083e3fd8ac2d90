//! Messages that were said: picked, copied, edited, asked again.

use crossterm::event::{KeyCode, KeyEvent};

use super::coming::NO_MODEL;
use super::{Effect, Phase, State};
use crate::engine::event::{Command, Message, Role};
use crate::human;
use crate::saved::{Ending, Record};
use crate::tui::composer::Draft;
use crate::tui::conversation::{Entry, Level, code_blocks};

impl State {
    /// What was said, as the model got and wrote it.
    pub fn transcript(&self) -> Vec<Message> {
        let entries = self.conversation.entries();
        let message = |entry: &Entry| match entry {
            Entry::User { raw, .. } => Some(Message {
                role: Role::User,
                content: self.composer.elements.expand(raw).trim().to_owned(),
            }),
            Entry::Answer(a) => Some(Message {
                role: Role::Assistant,
                content: a.raw.clone(),
            }),
            Entry::Note { .. } => None,
        };
        entries.filter_map(message).collect()
    }

    /// Picks the message before or after the picked one.
    pub(super) fn select(&mut self, step: isize) {
        let next = self.conversation.message(self.selected, step);
        match next {
            Some(entry) => {
                self.selected = Some(entry);
                let (top, lines) = self.conversation.span(entry);
                self.conversation.scroll.show(top + lines.saturating_sub(2));
                self.conversation.scroll.show(top);
            }
            None if step > 0 => {
                self.selected = None;
                self.conversation.scroll.to_bottom();
            }
            None => {}
        }
    }

    /// Keys while a message is picked; false hands the key on and lets go of the message.
    pub(super) fn selected_key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) -> bool {
        let Some(entry) = self.selected else {
            return false;
        };
        match key.code {
            KeyCode::Up => self.select(-1),
            KeyCode::Down => self.select(1),
            KeyCode::Char('y' | 'c') => {
                self.copy_entry(entry, effects);
                self.selected = None;
            }
            KeyCode::Char('b') => {
                self.copy_code(entry, None, effects);
                self.selected = None;
            }
            KeyCode::Char('t') => {
                let open = matches!(
                    self.conversation.entry(entry),
                    Some(Entry::Answer(a)) if a.thoughts.open
                );
                self.conversation.show_thoughts(Some(entry), !open);
            }
            KeyCode::Char('e') => self.edit(Some(entry)),
            KeyCode::Char('r') => self.retry(Some(entry), effects),
            _ => {
                self.selected = None;
                return false;
            }
        }
        true
    }

    fn last_answer(&self) -> Option<usize> {
        let entries: Vec<&Entry> = self.conversation.entries().collect();
        entries.iter().rposition(|e| matches!(e, Entry::Answer(_)))
    }

    /// `/copy`, `/copy code [N]`, `/copy all`.
    pub(super) fn copy(&mut self, argument: &str, effects: &mut Vec<Effect>) {
        let mut words = argument.split_whitespace();
        match (words.next(), self.last_answer()) {
            (Some("all"), _) => {
                let thoughts = words.next() == Some("thoughts");
                let all = self
                    .conversation
                    .markdown(thoughts, |raw| self.composer.elements.expand(raw));
                self.put_on_clipboard(all, effects);
            }
            (_, None) => self.toast(Level::Warning, "there is no answer to copy yet"),
            (None, Some(entry)) => self.copy_entry(entry, effects),
            (Some("thoughts"), Some(entry)) => self.copy_thoughts(entry, effects),
            (Some("code"), Some(entry)) => {
                let which = words.next().and_then(|n| n.parse().ok());
                self.copy_code(entry, which, effects);
            }
            (Some(_), _) => self.toast(
                Level::Warning,
                "/copy, /copy code [N], /copy thoughts or /copy all",
            ),
        }
    }

    fn copy_entry(&mut self, entry: usize, effects: &mut Vec<Effect>) {
        let text = match self.conversation.entry(entry) {
            Some(Entry::Answer(a)) => a.text.source().trim().to_owned(),
            Some(Entry::User { raw, .. }) => self.composer.elements.expand(raw).trim().to_owned(),
            _ => return,
        };
        self.put_on_clipboard(text, effects);
    }

    fn copy_thoughts(&mut self, entry: usize, effects: &mut Vec<Effect>) {
        match self.conversation.entry(entry) {
            Some(Entry::Answer(a)) if a.thoughts.any() => {
                let text = a.thoughts.text.trim().to_owned();
                self.put_on_clipboard(text, effects);
            }
            _ => self.toast(Level::Warning, "nothing was thought before that answer"),
        }
    }

    fn copy_code(&mut self, entry: usize, which: Option<usize>, effects: &mut Vec<Effect>) {
        let Some(Entry::Answer(answer)) = self.conversation.entry(entry) else {
            return self.toast(Level::Warning, "a question has no code blocks");
        };
        let blocks = code_blocks(answer.text.source());
        let block = match which {
            Some(n) => n.checked_sub(1).and_then(|i| blocks.get(i)),
            None => blocks.last(),
        };
        match block {
            Some(code) => self.put_on_clipboard(code.clone(), effects),
            None if blocks.is_empty() => self.toast(Level::Warning, "no code block in that answer"),
            None => {
                let text = format!("there are {} code blocks in that answer", blocks.len());
                self.toast(Level::Warning, text);
            }
        }
    }

    pub(super) fn put_on_clipboard(&mut self, text: String, effects: &mut Vec<Effect>) {
        let count = human::thousands(text.chars().count());
        self.toast(Level::Info, format!("copied {count} characters"));
        effects.push(Effect::Copy(text));
    }

    /// Asks a question once more.
    pub(super) fn retry(&mut self, entry: Option<usize>, effects: &mut Vec<Effect>) {
        if self.activity.phase == Phase::Ended {
            return self.toast(Level::Warning, NO_MODEL);
        }
        if let Some((at, raw)) = self.question(entry) {
            self.cancel_edit();
            self.replace(at, true, effects);
            // Another seed, or the same answer would come.
            let seed = self.sampling.in_force().seed.wrapping_add(1);
            self.sampling.yours.seed = Some(seed);
            let sampling = self.sampling.yours.clone();
            effects.push(Effect::Engine(Command::SetSampling(sampling)));
            self.ask(Draft { raw }, effects);
        }
    }

    /// `/continue`: the last answer goes on where it was stopped or cut.
    pub(super) fn go_on(&mut self, effects: &mut Vec<Effect>) {
        let last = self
            .last_answer()
            .and_then(|at| self.conversation.entry(at));
        let why = match (&self.activity.phase, last) {
            (Phase::Ended, _) => NO_MODEL,
            (phase, _) if phase.busy() => "stop the answer first (Esc)",
            (_, Some(Entry::Answer(a))) if a.end == Some(Ending::Complete) => {
                "the last answer is complete: the model ended it itself"
            }
            (_, Some(_)) => "",
            (_, None) => "there is no answer to go on with; ask something first",
        };
        if !why.is_empty() {
            return self.toast(Level::Warning, why);
        }
        if self.context_full() {
            let context = human::thousands(self.context().unwrap_or(0));
            let full = format!("the model's context of {context} tokens is full");
            let text = format!("{full}; /new begins anew, /model takes a longer one");
            return self.toast(Level::Warning, text);
        }
        if self.activity.phase.waiting() {
            self.sending.go_on_first = true;
            return self.toast(Level::Info, "it goes on as soon as the model is ready");
        }
        self.cancel_edit();
        if let Some(answer) = self.conversation.answer_mut() {
            answer.go_on();
        }
        self.conversation.scroll.to_bottom();
        self.selected = None;
        self.activity.go_on();
        effects.push(Effect::Engine(Command::Continue));
    }

    /// No token has room any more.
    pub(super) fn context_full(&self) -> bool {
        let context = self.context();
        context.is_some_and(|context| self.activity.position >= context)
    }

    /// The last answer can be gone on with, if it is not complete and has room to.
    pub(super) fn open_last(&mut self) {
        let room = !self.context_full();
        if let Some(answer) = self.conversation.answer_mut() {
            answer.open = room && answer.end != Some(Ending::Complete);
        }
    }

    /// The last answer is followed by something else.
    pub(super) fn close_last(&mut self) {
        let details = self.details;
        if let Some(answer) = self.conversation.answer_mut() {
            (answer.open, answer.details) = (false, details);
        }
    }

    /// Shows below every answer what the cache did for it, or below the newest only.
    pub(super) fn toggle_details(&mut self) {
        self.details = !self.details;
        self.conversation.show_details(self.details);
        let said = match self.details {
            true => "what the cache did stands below every answer",
            false => "what the cache did stands below the newest answer only",
        };
        self.toast(Level::Info, said);
    }

    /// Goes back before the question at `entry` (or the one that an answer there belongs to, or
    /// the last one) and returns it.
    pub(super) fn rewind(
        &mut self,
        entry: Option<usize>,
        effects: &mut Vec<Effect>,
    ) -> Option<Draft> {
        let (at, raw) = self.question(entry)?;
        self.cancel_edit();
        self.cut(at, effects);
        Some(Draft { raw })
    }

    /// The question at `entry` (or the one that an answer there belongs to, or the last one), and its
    /// own entry; says why there is none.
    pub(super) fn question(&mut self, entry: Option<usize>) -> Option<(usize, String)> {
        if self.activity.phase.waiting() {
            let why = match self.activity.phase.busy() {
                true => "stop the answer first (Esc)",
                false => "the model is not ready yet",
            };
            self.toast(Level::Warning, why);
            return None;
        }
        let end = entry.map_or(self.conversation.len(), |at| at + 1);
        let entries: Vec<&Entry> = self.conversation.entries().take(end).collect();
        let found = entries.iter().enumerate().rev().find_map(|(i, e)| match e {
            Entry::User { raw, .. } => Some((i, raw.clone())),
            _ => None,
        });
        if found.is_none() {
            self.toast(Level::Warning, "nothing was asked yet");
        }
        found
    }

    /// Forgets the question at `at` and what followed it.
    fn cut(&mut self, at: usize, effects: &mut Vec<Effect>) {
        self.conversation.split_off(at);
        effects.push(Effect::Record(Record::Truncate(self.transcript().len())));
        self.went_back(effects);
    }

    /// The conversation ends earlier than it did, and so does the engine's.
    pub(super) fn went_back(&mut self, effects: &mut Vec<Effect>) {
        self.conversation.scroll.to_bottom();
        self.editing = None;
        self.comparison = None;
        self.open_last();
        self.selected = None;
        self.dashboard.observed.restart();
        effects.push(Effect::Engine(Command::Load(self.transcript())));
    }
}
