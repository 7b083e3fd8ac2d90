//! Messages on their way: from the input to the engine, and back where they cannot go.

use std::collections::VecDeque;

use super::coming::NO_MODEL;
use super::editing::Editing;
use super::refusal::Refusal;
use super::{Effect, Phase, State, command, mentions};
use crate::engine::event::Command;
use crate::saved::Record;
use crate::tui::composer::Draft;
use crate::tui::conversation::{Entry, Level, MessagePart};
use crate::tui::text::safe;

#[derive(Clone, Debug, Default)]
pub struct Sending {
    /// Messages that wait for the running turn or for the model.
    pub queue: VecDeque<Draft>,
    /// The message being answered, until its prefill is through.
    pub(super) asked: Option<Draft>,
    /// What stood behind the last `/file`, until the file is read.
    pub(super) file: Option<String>,
    /// The message in the input that is sent as soon as its files are read.
    pub(super) waiting: Option<Waiting>,
    /// Files that are being read for the input.
    pub reading: usize,
    /// A message that came back because it does not fit.
    pub(super) refusal: Option<Refusal>,
    /// A message that waits for a command to be typed, and the question that it changes.
    pub(super) stashed: Option<(Draft, Option<Editing>)>,
    /// The first questions, as long as their files are read.
    pub(super) first: Option<First>,
    /// Going on was asked for before the model was ready.
    pub(super) go_on_first: bool,
}

/// A message that waits for files.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// The input; once it is another, that is not what was sent.
    pub(super) text: String,
    /// Files that it mentions and that were not looked at yet.
    pub(super) mentions: Vec<String>,
}

/// Questions that the app was started with.
#[derive(Clone, Debug)]
pub(super) struct First {
    /// Files that are not read yet.
    pub(super) files: usize,
    pub(super) prompt: String,
    /// Asked behind it.
    pub(super) then: Vec<String>,
}

impl State {
    /// `read` more of the first question's files are in the input: behind the last of them it is sent.
    pub(super) fn first_read(&mut self, read: usize, effects: &mut Vec<Effect>) {
        let Some(first) = &mut self.sending.first else {
            return;
        };
        first.files = first.files.saturating_sub(read);
        if let Some(first) = self.sending.first.take_if(|first| first.files == 0) {
            self.composer.paste(&first.prompt);
            self.sending.queue.push_back(self.composer.take());
            let then = first.then.into_iter().map(|raw| Draft { raw });
            self.sending.queue.extend(then);
            self.next(effects);
        }
    }

    /// One of them cannot be read: the question waits in the input.
    pub(super) fn first_unread(&mut self) {
        if let Some(first) = self.sending.first.take() {
            let questions = [vec![first.prompt], first.then].concat();
            self.composer.paste(&questions.join("\n\n"));
        }
    }

    /// A question that is typed before the first one has its files is asked behind it.
    fn behind_first(&mut self) -> bool {
        let (attached, typed) = self.attached();
        let Some(first) = &mut self.sending.first else {
            return false;
        };
        first.then.push(typed);
        self.composer.take();
        self.composer.restore(&Draft { raw: attached });
        self.toast(Level::Info, "it is asked behind the first question");
        true
    }

    /// Takes the input's message: a command, or a question that is asked now or waits.
    pub(super) fn send(&mut self, effects: &mut Vec<Effect>) {
        if self.composer.is_empty() {
            return;
        }
        self.command_first();
        let text = self.composer.buffer.text().trim().to_owned();
        let (attached, typed) = self.attached();
        match command::parse(&typed) {
            Some(Err(why)) => self.toast(Level::Warning, why),
            Some(Ok((command, argument))) => {
                if command.is_question() && self.awaits(argument, effects) {
                    return;
                }
                self.composer.take();
                self.command(command, argument, effects);
                if !attached.is_empty() {
                    // What stood before the command waits for its question.
                    self.composer.restore(&Draft { raw: attached });
                }
                self.unstash();
            }
            None if self.activity.phase == Phase::Ended => {
                self.toast(Level::Warning, NO_MODEL);
            }
            None if self.behind_first() => {}
            None if self.awaits(&text, effects) => {}
            None => self.send_now(effects),
        }
    }

    /// A message that waited for a command is in the input again, and takes the place that it was to
    /// take.
    pub(super) fn unstash(&mut self) {
        if let Some((draft, editing)) = self.sending.stashed.take() {
            self.composer.restore(&draft);
            self.edit_again(editing);
        }
    }

    /// The pastes and files at the beginning of the input, and what is typed behind them.
    pub(super) fn attached(&self) -> (String, String) {
        let text = self.composer.buffer.text().trim();
        let of_element = |c: char| self.composer.elements.get(c).is_some() || c.is_whitespace();
        let typed = text.trim_start_matches(of_element);
        let attached = text[..text.len() - typed.len()].trim();
        (attached.to_owned(), typed.to_owned())
    }

    /// Whether the input has to wait for files: those that `question` mentions, and those that are
    /// being read. Then it is sent behind the last of them.
    fn awaits(&mut self, question: &str, effects: &mut Vec<Effect>) -> bool {
        let text = self.composer.buffer.text();
        if self
            .sending
            .waiting
            .as_ref()
            .is_some_and(|w| w.text == text)
        {
            return true;
        }
        let mentions: Vec<String> = mentions::all(question)
            .into_iter()
            .map(|m| m.path)
            .collect();
        let awaits = !mentions.is_empty() || self.sending.reading > 0;
        self.sending.waiting = awaits.then(|| Waiting {
            text: text.to_owned(),
            mentions: mentions.clone(),
        });
        effects.extend(mentions.into_iter().map(Effect::Mention));
        if self.sending.reading > 0 {
            self.toast(Level::Info, "it is sent as soon as its file is read");
        }
        awaits
    }

    /// What is in the input is no longer what was sent: it waits no more.
    pub(super) fn still_waiting(&mut self) {
        let text = self.composer.buffer.text();
        let changed = self.sending.waiting.take_if(|w| w.text != text);
        if changed.is_some() {
            let said = "changed while its files were read; Enter sends it";
            self.toast(Level::Warning, said);
        }
    }

    /// A message that waits for its files is not sent; false where none does.
    pub(super) fn unsend(&mut self) -> bool {
        let waited = self.sending.waiting.take().is_some();
        if waited {
            // One that never ends is waited for no more.
            self.sending.reading = 0;
            self.toast(Level::Info, "not sent; Enter sends it");
        }
        waited
    }

    /// A file that was asked for is here, or cannot be had. What waits for it has it first.
    pub(super) fn was_read(&mut self) {
        self.sending.reading = self.sending.reading.saturating_sub(1);
        self.still_waiting();
        let waiting = self.sending.waiting.as_ref();
        // A command stays at the beginning, and what came before it before it.
        if waiting.is_some_and(|w| !w.text.starts_with('/')) {
            let text = self.composer.buffer.text();
            let of_element = |c: char| self.composer.elements.get(c).is_some();
            let typed = text.trim_start_matches(of_element).len();
            let at = text.len() - typed;
            self.composer.buffer.set_caret(at);
        }
    }

    /// Sends what waits, behind the last of its files.
    pub(super) fn send_when_read(&mut self, effects: &mut Vec<Effect>) {
        let Some(waiting) = &mut self.sending.waiting else {
            return;
        };
        // What came into the input is what it waited for.
        waiting.text = self.composer.buffer.text().to_owned();
        self.composer.buffer.set_caret(usize::MAX);
        if self.sending.reading == 0 && waiting.mentions.is_empty() {
            self.sending.waiting = None;
            self.send_now(effects);
        }
    }

    /// Sends the input once its files are read.
    fn send_now(&mut self, effects: &mut Vec<Effect>) {
        if self.composer.is_empty() {
            return;
        }
        if self.activity.phase == Phase::Ended {
            // It ended while the files were read.
            return self.toast(Level::Warning, NO_MODEL);
        }
        let draft = self.composer.take();
        if let Some(Ok((command, argument))) = command::parse(draft.raw.trim())
            && command.is_question()
        {
            return self.command(command, argument, effects);
        }
        match self.activity.phase.waiting() {
            true => self.sending.queue.push_back(draft),
            false => self.ask(draft, effects),
        }
    }

    pub(super) fn ask(&mut self, draft: Draft, effects: &mut Vec<Effect>) {
        self.send_edited(effects);
        self.show_question(&draft, effects);
        self.tell_of_loss();
        self.conversation.push(Entry::Answer(Default::default()));
        if let Some(answer) = self.conversation.answer_mut() {
            (answer.running, answer.details) = (true, true);
            answer.thoughts.open = self.thoughts_open;
        }
        self.conversation.scroll.to_bottom();
        self.selected = None;
        let text = self.composer.expand(&draft).trim().to_owned();
        self.sending.asked = Some(draft);
        self.activity.begin(Phase::Asked);
        effects.push(Effect::Engine(Command::Ask { text }));
    }

    /// A question joins the conversation, and is written down.
    pub(super) fn show_question(&mut self, draft: &Draft, effects: &mut Vec<Effect>) {
        let parts = self.parts(&draft.raw);
        self.close_last();
        self.record(Record::User(self.pieces(draft)), effects);
        self.conversation.push(Entry::User {
            parts,
            raw: draft.raw.clone(),
        });
    }

    /// A message as it is shown.
    pub(super) fn parts(&self, raw: &str) -> Vec<MessagePart> {
        let mut parts: Vec<MessagePart> = Vec::new();
        let mut text = String::new();
        for c in raw.trim().chars() {
            match self.composer.elements.get(c) {
                Some(element) => {
                    if !text.is_empty() {
                        parts.push(MessagePart::Text(std::mem::take(&mut text)));
                    }
                    let label = safe::one_line(&element.label(self.context()));
                    parts.push(MessagePart::Chip(label));
                }
                None => {
                    let behind_chip =
                        text.is_empty() && matches!(parts.last(), Some(MessagePart::Chip(_)));
                    if behind_chip && c != '\n' {
                        text.push('\n');
                    }
                    if !(behind_chip && c == ' ') {
                        text.push(c);
                    }
                }
            }
        }
        if !text.is_empty() {
            parts.push(MessagePart::Text(safe::visible(&text).into_owned()));
        }
        parts
    }

    /// A file that was mentioned in a message is counted after the message was sent.
    pub(super) fn relabel(&mut self, tag: u64) {
        let elements = &self.composer.elements;
        let of_it = |raw: &str| raw.chars().any(|c| elements.tag(c) == Some(tag));
        let questions = self.conversation.entries().enumerate();
        let found = questions.filter_map(|(at, entry)| match entry {
            Entry::User { raw, .. } if of_it(raw) => Some((at, self.parts(raw))),
            _ => None,
        });
        for (at, parts) in found.collect::<Vec<_>>() {
            self.conversation.relabel(at, parts);
        }
    }

    /// What waits, once nothing runs.
    pub(super) fn next(&mut self, effects: &mut Vec<Effect>) {
        self.switch(effects);
        if self.activity.phase == Phase::Ended {
            return self.put_back_queue();
        }
        let waiting = |state: &State| state.activity.phase.waiting();
        if !waiting(self) && std::mem::take(&mut self.sending.go_on_first) {
            self.go_on(effects);
        }
        // Also where there was nothing to go on with.
        if !waiting(self)
            && let Some(draft) = self.sending.queue.pop_front()
        {
            self.ask(draft, effects);
        }
    }

    /// Messages that will not be answered go back into the input.
    pub(super) fn put_back(&mut self, effects: &mut Vec<Effect>) {
        self.put_back_queue();
        if let Some(draft) = self.sending.asked.take() {
            self.conversation.take_back();
            if !self.bring_replaced(&draft.raw, effects) {
                self.composer.restore(&draft);
                effects.push(Effect::Record(Record::Truncate(self.transcript().len())));
            }
            self.open_last();
        }
    }

    pub(super) fn put_back_queue(&mut self) {
        while let Some(draft) = self.sending.queue.pop_back() {
            self.composer.restore(&draft);
        }
    }

    pub(super) fn stop(&mut self, effects: &mut Vec<Effect>) {
        if self.activity.stop() {
            effects.push(Effect::Stop);
        }
        self.put_back_queue();
    }
}
