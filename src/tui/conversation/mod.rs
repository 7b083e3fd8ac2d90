//! What was said, laid out once and scrolled by us.

mod entry;
mod find;
mod scroll;

pub use entry::{Answer, Entry, Level, Part, Progress};
pub use find::code_blocks;
pub use scroll::Scroll;

use ratatui::text::Line;

use crate::tui::theme::Theme;

/// The conversation with its layout for one width.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    entries: Vec<Laid>,
    pub scroll: Scroll,
    width: usize,
    theme: String,
}

#[derive(Clone, Debug)]
struct Laid {
    entry: Entry,
    lines: Vec<Line<'static>>,
    /// Lines of a growing answer that are final.
    settled: usize,
    stale: bool,
}

impl Conversation {
    pub fn push(&mut self, entry: Entry) {
        self.entries.push(Laid {
            entry,
            lines: Vec::new(),
            settled: 0,
            stale: true,
        });
    }

    pub fn clear(&mut self) {
        self.entries.clear();
        self.scroll = Scroll::default();
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter().map(|l| &l.entry)
    }

    /// The last answer, for appending.
    pub fn answer_mut(&mut self) -> Option<&mut Answer> {
        let laid = self
            .entries
            .iter_mut()
            .rev()
            .find(|l| matches!(l.entry, Entry::Answer(_)))?;
        laid.stale = true;
        match &mut laid.entry {
            Entry::Answer(a) => Some(a),
            _ => None,
        }
    }

    /// Takes back the last message of the user and all that followed it but notes.
    pub fn take_back(&mut self) -> Option<String> {
        let at = self
            .entries
            .iter()
            .rposition(|l| matches!(l.entry, Entry::User { .. }))?;
        let raw = match self.entries.remove(at).entry {
            Entry::User { raw, .. } => raw,
            _ => return None,
        };
        let mut i = 0;
        self.entries.retain(|l| {
            i += 1;
            i <= at || !matches!(l.entry, Entry::Answer(_))
        });
        Some(raw)
    }

    /// Lays out what changed; `height` is the window's.
    pub fn layout(&mut self, width: usize, height: usize, theme: &Theme) {
        let all = width != self.width || theme.name != self.theme;
        if all {
            self.width = width;
            self.theme.clone_from(&theme.name);
        }
        let anchor = self
            .scroll
            .anchor(self.entries.iter().map(|l| l.lines.len()));
        for laid in &mut self.entries {
            if all {
                laid.entry.invalidate();
                laid.settled = 0;
            }
            if all || laid.stale {
                laid.settled = (laid.entry).lay_out(width, theme, &mut laid.lines, laid.settled);
                laid.stale = false;
            }
        }
        let heights = self.entries.iter().map(|l| l.lines.len());
        self.scroll.laid_out(heights, height, anchor);
    }

    /// The lines in view, from the top.
    pub fn visible(&self) -> impl Iterator<Item = &Line<'static>> {
        let (mut skip, mut at) = (self.scroll.top(), 0);
        while let Some(laid) = self.entries.get(at)
            && skip >= laid.lines.len()
        {
            skip -= laid.lines.len();
            at += 1;
        }
        self.entries[at.min(self.entries.len())..]
            .iter()
            .flat_map(|l| &l.lines)
            .skip(skip)
            .take(self.scroll.height())
    }

    /// The conversation as Markdown; `expand` writes a user's message out in full.
    pub fn markdown(&self, expand: impl Fn(&str) -> String) -> String {
        let mut out = String::new();
        for entry in self.entries() {
            match entry {
                Entry::User { raw, .. } => out.push_str(&format!("## You\n\n{}\n\n", expand(raw))),
                Entry::Answer(a) => {
                    out.push_str(&format!("## Cachat\n\n{}\n\n", a.text.source().trim()));
                }
                Entry::Note { .. } => {}
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_answer_looks_like_one_that_was_there_at_once() {
        let text =
            "# One\n\ntwo *three*\n\n```rust\nfn main() {\n    let x = 1;\n}\n```\n\n- a\n- b\n";
        let theme = Theme::default();
        let answer = |text: &str| {
            let mut answer = Answer {
                running: true,
                ..Answer::default()
            };
            answer.text.push(text);
            let mut conversation = Conversation::default();
            conversation.push(Entry::Answer(Box::new(answer)));
            conversation
        };
        let mut growing = answer("");
        for (at, c) in text.char_indices() {
            growing
                .answer_mut()
                .unwrap()
                .text
                .push(c.encode_utf8(&mut [0; 4]));
            growing.layout(60, 100, &theme);
            let mut whole = answer(&text[..at + 1]);
            whole.layout(60, 100, &theme);
            let lines = |c: &Conversation| c.visible().cloned().collect::<Vec<_>>();
            assert_eq!(lines(&growing), lines(&whole), "{:?}", &text[..at + 1]);
        }
    }
}
