//! THOUGHTS: what a model says to itself before it answers, told apart by the marks around it. An
//! answer is kept as the model wrote it, marks included; what stood in the template's own beginning
//! of it (`<think>`) is put at its head, so that it can be read without the template.

mod history;
mod marks;
mod splitter;
#[cfg(test)]
mod tests;

pub use history::{Form, Knows, Told, ending};
pub use marks::is_mark;
pub use splitter::{Part, Splitter};

use marks::PAIRS;

/// An answer in its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Without the marks; several are parted by an empty line.
    pub thoughts: String,
    pub answer: String,
    /// It was broken off while it thought.
    pub open: bool,
}

impl Split {
    /// Takes in the next part.
    pub fn take(&mut self, part: Part, text: &str) {
        match part {
            Part::Mark => {}
            Part::Thought => self.thoughts.push_str(text),
            Part::Answer => self.answer.push_str(text),
        }
    }
}

/// The whole of an answer, as the model wrote it.
pub fn split(raw: &str) -> Split {
    let mut split = Split::default();
    let mut splitter = Splitter::default();
    let mut marked = false;
    let mut told = |part, text: &str| {
        if part == Part::Thought && marked && !split.thoughts.is_empty() {
            split.thoughts.push_str("\n\n");
        }
        marked = part == Part::Mark;
        split.take(part, text);
    };
    splitter.push(raw, &mut told);
    let open = splitter.thinking();
    splitter.finish(&mut told);
    Split { open, ..split }
}

/// Its parts in order, together the whole text.
pub fn parts(raw: &str) -> Vec<(Part, &str)> {
    let (mut at, mut parts) = (0, Vec::new());
    let mut told = |part, text: &str| {
        parts.push((part, &raw[at..at + text.len()]));
        at += text.len();
    };
    let mut splitter = Splitter::default();
    splitter.push(raw, &mut told);
    splitter.finish(&mut told);
    parts
}

/// The answer without its thoughts, as it is shown and given away.
pub fn answer(raw: &str) -> String {
    let answer = split(raw).answer;
    match answer.len() == raw.len() {
        true => answer,
        false => answer.trim_start().to_owned(),
    }
}

/// What was thought, as a quotation in Markdown with an empty line behind it.
pub fn quoted(thoughts: &str) -> String {
    let lines = thoughts.trim().lines();
    let quoted = lines.map(|line| format!("> {line}").trim_end().to_owned() + "\n");
    quoted.collect::<String>() + "\n"
}

/// The mark, and the white space behind it, by which `prompt` ends within a thought.
pub fn opened(prompt: &str) -> Option<&str> {
    let text = prompt.trim_end();
    let pair = PAIRS.iter().find(|pair| text.ends_with(pair.open))?;
    Some(&prompt[text.len() - pair.open.len()..])
}
