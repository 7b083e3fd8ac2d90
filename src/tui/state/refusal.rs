//! A message that does not fit the model's context: the figures, and what can be done, each on one
//! key. The text is back in the input, whole.

use super::completion::Completion;
use super::{Effect, Focus, State};
use crate::document::Excerpt;
use crate::engine::event::{Command, TooLong};
use crate::human;
use crate::tui::composer::{Element, ElementKind};
use crate::tui::conversation::Level;

/// Tokens left for the answer when a part is taken.
const ANSWER: usize = 256;
/// A text on its own and in its place may differ by so much: its seams, its longer name.
const SEAM: usize = 32;
/// Smaller first parts are not worth offering.
const LEAST: usize = 16;
/// Behind the name of a file that was cut.
const FIRST_PART: &str = ", first part";

#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// The input as it came back; for another text these are no choices.
    text: String,
    choices: Vec<(Choice, Completion)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Choice {
    /// The first tokens of the element with this tag.
    First {
        tag: u64,
        tokens: usize,
    },
    New,
    Model,
}

impl State {
    /// The message goes back into the input; says why, and offers what helps.
    pub(super) fn refused(&mut self, figures: TooLong, effects: &mut Vec<Effect>) {
        let raw = self.sending.asked.as_ref().map(|draft| draft.raw.clone());
        let asked = raw.is_some();
        self.broken_off(effects);
        let largest = self.largest(&raw.unwrap_or_default());
        let room = largest.and_then(|(_, tokens)| State::room(figures, tokens));
        self.note(Level::Error, self.reason(figures, largest, room));
        let mut choices = Vec::new();
        let mut offer = |choice, label: String, hint: String| {
            let text = String::new();
            choices.push((choice, Completion { text, label, hint }));
        };
        if let (Some((tag, _)), Some(room)) = (largest, room) {
            let whose = match self.composer.elements.by_tag(tag).map(|e| &e.kind) {
                Some(ElementKind::File(name)) => name.clone(),
                _ => "the paste".into(),
            };
            let label = format!(
                "take the first {} tokens of {whose}",
                human::thousands(room)
            );
            let choice = Choice::First { tag, tokens: room };
            offer(choice, label, "the rest is left out".into());
        }
        let alone = figures.needed.saturating_sub(figures.held);
        if asked && figures.held > 0 && alone <= figures.context {
            let held = human::thousands(figures.held);
            let hint = format!("this one holds {held} tokens; it stays saved");
            offer(Choice::New, "ask it in a new conversation".into(), hint);
        }
        let hint = "the message waits in the input".into();
        offer(
            Choice::Model,
            "take a model with a longer context".into(),
            hint,
        );
        self.sending.refusal = Some(Refusal {
            text: self.composer.buffer.text().to_owned(),
            choices,
        });
        self.screen.focus = Focus::Input;
        self.popup.insist();
        self.toast = None;
    }

    /// The element of a message that holds the most tokens, by its tag.
    fn largest(&self, raw: &str) -> Option<(u64, usize)> {
        let elements = &self.composer.elements;
        let counted = |mark| Some((elements.tag(mark)?, elements.get(mark)?.tokens?));
        raw.chars().filter_map(counted).max_by_key(|(_, n)| *n)
    }

    /// How many of an element's tokens would fit.
    fn room(figures: TooLong, tokens: usize) -> Option<usize> {
        let answer = ANSWER.min(figures.context / 8);
        let room = (figures.context + tokens).checked_sub(figures.needed + answer + SEAM)?;
        (room >= LEAST).then_some(room.min(tokens))
    }

    fn reason(
        &self,
        figures: TooLong,
        largest: Option<(u64, usize)>,
        room: Option<usize>,
    ) -> String {
        let mut text = format!(
            "This does not fit. With it the conversation takes {} tokens, {} more than the model's \
             context of {}",
            human::thousands(figures.needed),
            human::thousands(figures.over()),
            human::thousands(figures.context)
        );
        if figures.held > 0 {
            let held = human::thousands(figures.held);
            text.push_str(&format!("; {held} of them were said before"));
        }
        text.push_str(
            ". A larger budget does not help: it bounds what is kept of a text, not how much can be \
             read.",
        );
        let element = largest.and_then(|(tag, _)| self.composer.elements.by_tag(tag));
        if let (Some(element), Some(room)) = (element, room)
            && let Some(part) = part(element, room)
        {
            text.push_str(&format!(" {part}"));
        }
        text
    }

    /// What can be done, while the refused message is in the input as it came back.
    pub fn refusal_choices(&self) -> Option<Vec<Completion>> {
        let refusal = self.sending.refusal.as_ref()?;
        let here = refusal.text == self.composer.buffer.text() && !self.activity.phase.busy();
        here.then(|| {
            refusal
                .choices
                .iter()
                .map(|(_, line)| line.clone())
                .collect()
        })
    }

    pub(super) fn choose(&mut self, at: usize, effects: &mut Vec<Effect>) {
        let Some(refusal) = self.sending.refusal.take() else {
            return;
        };
        self.popup.choice = None;
        match refusal.choices.get(at).map(|(choice, _)| choice) {
            Some(Choice::First { tag, tokens }) => {
                if let Some(element) = self.composer.elements.by_tag(*tag) {
                    effects.push(Effect::Engine(Command::Shorten {
                        tag: *tag,
                        text: element.text.to_string(),
                        tokens: *tokens,
                    }));
                }
            }
            Some(Choice::New) => {
                // It changes nothing that was said there.
                let before = self.leave_edit();
                self.start_over("", effects);
                self.send(effects);
                self.bring_draft(before);
            }
            Some(Choice::Model) => {
                let editing = self.editing.take();
                self.sending.stashed = Some((self.composer.take(), editing));
                self.composer.buffer.insert("/model ");
            }
            None => {}
        }
    }

    /// Puts the first part of an element into the input, in the place of the whole.
    pub(super) fn shortened(&mut self, tag: u64, bytes: usize, tokens: usize) {
        let elements = &self.composer.elements;
        let mut marks = self.composer.buffer.text().chars();
        let here = marks.any(|c| elements.tag(c) == Some(tag));
        let Some(element) = elements.by_tag(tag).filter(|_| here) else {
            return;
        };
        let Some(first) = element.text.get(..bytes).filter(|first| !first.is_empty()) else {
            return self.toast(Level::Warning, "not even its first words fit");
        };
        let kind = match &element.kind {
            ElementKind::Paste => ElementKind::Paste,
            ElementKind::File(name) => ElementKind::File(format!("{name}{FIRST_PART}")),
        };
        let first = first.to_owned();
        let new = self.composer.exchange_element(tag, kind, first);
        self.composer.elements.counted(new, tokens);
        self.composer.buffer.set_caret(usize::MAX);
        self.toast(Level::Info, "Enter sends it; Ctrl-_ brings the whole back");
    }

    /// A text's tokens are known; one that cannot fit is told before it is sent.
    pub(super) fn counted(&mut self, tag: u64, tokens: usize) {
        self.composer.elements.counted(tag, tokens);
        self.relabel(tag);
        let waits = self.composer.buffer.text().chars();
        let waits = waits.filter_map(|c| self.composer.elements.tag(c));
        if let Some(context) = self.context().filter(|&context| tokens > context)
            && waits.into_iter().any(|t| t == tag)
        {
            let times = human::rate(tokens as f64 / context as f64);
            self.toast(
                Level::Warning,
                format!("that is {times} times the model's context; Enter shows what can be done"),
            );
        }
    }
}

/// Which first pages or lines of a file hold about so many tokens, and how they are attached.
fn part(element: &Element, room: usize) -> Option<String> {
    let ElementKind::File(name) = &element.kind else {
        return None;
    };
    let a_part = name
        .rsplit_once(' ')
        .and_then(|(_, end)| Excerpt::parse(end));
    if a_part.is_some() || name.ends_with(FIRST_PART) {
        return None;
    }
    let (all, what) = match element.pages {
        Some(pages) => (pages, "page"),
        None => (element.lines, "line"),
    };
    // Its folders are not known here, and not every text is a file's.
    let at_path = name != "stdin" && !name.ends_with(", edited");
    let how = |part: &str| match at_path {
        true => format!(" (/file PATH {part})"),
        false => String::new(),
    };
    let fitting = all * room / element.tokens?.max(1);
    match fitting {
        0 => None,
        1 => Some(format!("Its first {what} is about what fits{}.", how("1"))),
        n => Some(format!(
            "Its first {} {what}s are about what fits{}.",
            human::thousands(n),
            how(&format!("1-{n}"))
        )),
    }
}
