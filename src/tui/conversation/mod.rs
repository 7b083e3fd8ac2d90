//! What was said, laid out once and scrolled by us.

mod entry;
mod find;
mod joined;
mod scroll;
mod thoughts;

pub use entry::{Answer, Did, Entry, Level, MessagePart, Progress};
pub use find::code_blocks;
pub use scroll::Scroll;

use std::time::{Duration, Instant};

use ratatui::text::Line;

use crate::model::thoughts::quoted;
use crate::tui::theme::Theme;

/// The conversation as it is scrolled: its entries with their layout for one width.
#[derive(Clone, Debug, Default)]
pub struct Scrollback {
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

/// Bytes out of view that are laid out at once, however long it takes; and the time for more. The
/// rest waits for the next frame: a long conversation follows a resize without a hitch.
const AT_ONCE: usize = 8 * 1024;
const BESIDE: Duration = Duration::from_millis(4);

impl Laid {
    /// Its lines, or about as many as it will have.
    fn height(&self, width: usize) -> usize {
        match self.lines.len() {
            0 if self.stale => 2 + self.entry.size() / width.max(1),
            lines => lines,
        }
    }
}

impl Scrollback {
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

    /// A question's pastes and files have other labels.
    pub fn relabel(&mut self, at: usize, new: Vec<MessagePart>) {
        if let Some(laid) = self.entries.get_mut(at)
            && let Entry::User { parts, .. } = &mut laid.entry
        {
            (*parts, laid.stale) = (new, true);
        }
    }

    /// What the cache did is shown below all answers, or below the last one only.
    pub fn show_details(&mut self, all: bool) {
        for laid in &mut self.entries {
            if let Entry::Answer(answer) = &mut laid.entry {
                (answer.details, laid.stale) = (all, true);
            }
        }
        if let Some(answer) = self.answer_mut() {
            answer.details = true;
        }
    }

    /// All of what was thought is shown, or a line of it: of one entry, or of all.
    pub fn show_thoughts(&mut self, of: Option<usize>, open: bool) {
        for (at, laid) in self.entries.iter_mut().enumerate() {
            if let Entry::Answer(answer) = &mut laid.entry
                && of.is_none_or(|of| of == at)
            {
                answer.thoughts.open = open;
                (laid.stale, laid.settled) = (true, 0);
            }
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

    /// Lays out what is in view, and some of the rest; `height` is the window's. What
    /// [is left](Self::pending) counts with the lines it had, or may have.
    pub fn layout(&mut self, width: usize, height: usize, theme: &Theme) {
        let anchor = self.scroll.anchor(self.heights());
        if width != self.width || theme.name != self.theme {
            self.width = width;
            self.theme.clone_from(&theme.name);
            for laid in &mut self.entries {
                laid.entry.invalidate();
                laid.settled = 0;
                laid.stale = true;
            }
        }
        self.place(height, anchor);
        while let Some(at) = self.stale_in_view() {
            let anchor = self.scroll.anchor(self.heights());
            self.bring(at, theme);
            self.place(height, anchor);
        }
        if self.pending() {
            let anchor = self.scroll.anchor(self.heights());
            let (begun, mut bytes) = (Instant::now(), 0);
            for at in (0..self.entries.len()).rev() {
                if bytes > AT_ONCE && begun.elapsed() > BESIDE {
                    break;
                }
                if self.entries[at].stale {
                    bytes += self.entries[at].entry.size();
                    self.bring(at, theme);
                }
            }
            self.place(height, anchor);
        }
    }

    /// Something out of view is still to be laid out: by more calls of [`layout`](Self::layout).
    pub fn pending(&self) -> bool {
        self.entries.iter().any(|l| l.stale)
    }

    /// Lays out all that is left, so that every line can be found.
    pub fn finish(&mut self, theme: &Theme) {
        let anchor = self.scroll.anchor(self.heights());
        for at in 0..self.entries.len() {
            self.bring(at, theme);
        }
        self.place(self.scroll.height(), anchor);
    }

    fn bring(&mut self, at: usize, theme: &Theme) {
        let width = self.width;
        if let Some(laid) = self.entries.get_mut(at).filter(|l| l.stale) {
            laid.settled = (laid.entry).lay_out(width, theme, &mut laid.lines, laid.settled);
            laid.stale = false;
        }
    }

    fn place(&mut self, height: usize, anchor: scroll::Anchor) {
        let heights: Vec<usize> = self.heights().collect();
        self.scroll.laid_out(heights.into_iter(), height, anchor);
    }

    fn heights(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().map(|l| l.height(self.width))
    }

    /// The first entry in view, and how many of its lines are above.
    fn first_in_view(&self) -> (usize, usize) {
        let mut skip = self.scroll.top();
        for (at, height) in self.heights().enumerate() {
            if skip < height {
                return (at, skip);
            }
            skip -= height;
        }
        (self.entries.len(), 0)
    }

    fn stale_in_view(&self) -> Option<usize> {
        let (first, above) = self.first_in_view();
        let mut rows = 0;
        for (at, laid) in self.entries.iter().enumerate().skip(first) {
            if rows >= self.scroll.height() + above {
                break;
            }
            if laid.stale {
                return Some(at);
            }
            rows += laid.lines.len();
        }
        None
    }

    /// The lines in view, from the top.
    pub fn visible(&self) -> impl Iterator<Item = &Line<'static>> {
        let (first, above) = self.first_in_view();
        self.entries[first..]
            .iter()
            .flat_map(|l| &l.lines)
            .skip(above)
            .take(self.scroll.height())
    }

    /// The conversation as Markdown, what was thought only where that is asked for; `expand` writes a
    /// user's message out in full.
    pub fn markdown(&self, thoughts: bool, expand: impl Fn(&str) -> String) -> String {
        let mut out = String::new();
        for entry in self.entries() {
            match entry {
                Entry::User { raw, .. } => out.push_str(&format!("## You\n\n{}\n\n", expand(raw))),
                Entry::Answer(a) => {
                    out.push_str("## Cachat\n\n");
                    if thoughts && a.thoughts.any() {
                        out.push_str(&quoted(&a.thoughts.text));
                    }
                    out.push_str(&format!("{}\n\n", a.text.source().trim()));
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
            let mut conversation = Scrollback::default();
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
            let lines = |c: &Scrollback| c.visible().cloned().collect::<Vec<_>>();
            assert_eq!(lines(&growing), lines(&whole), "{:?}", &text[..at + 1]);
        }
    }

    #[test]
    fn a_resize_lays_out_what_is_seen_at_once_and_the_rest_soon() {
        let theme = Theme::default();
        let filled = || {
            let mut conversation = Scrollback::default();
            for n in 0..60 {
                let mut answer = Answer::default();
                answer
                    .text
                    .push(&format!("# {n}\n\n{}", "some words ".repeat(300)));
                conversation.push(Entry::Answer(Box::new(answer)));
            }
            conversation
        };
        let seen = |c: &Scrollback| c.visible().map(ToString::to_string).collect::<Vec<_>>();
        let mut lazy = filled();
        lazy.layout(80, 20, &theme);
        lazy.finish(&theme);
        lazy.scroll.by(-800);
        lazy.layout(80, 20, &theme);
        for width in [50, 90] {
            lazy.layout(width, 20, &theme);
            let first = seen(&lazy);
            assert_eq!(first.len(), 20);
            let mut frames = 0;
            while lazy.pending() {
                lazy.layout(width, 20, &theme);
                assert_eq!(seen(&lazy), first, "what is read stays where it is");
                frames += 1;
                assert!(frames < 60);
            }
            let mut eager = filled();
            eager.layout(width, 20, &theme);
            eager.finish(&theme);
            let lines = |c: &Scrollback| c.entries.iter().map(|l| l.lines.len()).sum::<usize>();
            assert_eq!(lines(&lazy), lines(&eager));
        }
        lazy.scroll.to_top();
        lazy.layout(90, 20, &theme);
        assert!(seen(&lazy)[0].ends_with("  0"), "{:?}", seen(&lazy)[0]);
    }
}
