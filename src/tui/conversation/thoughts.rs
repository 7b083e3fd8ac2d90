//! What a model thought before it answered: a line, or all of it.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::human;
use crate::saved::{Record, Thought};
use crate::tui::text::wrap;
use crate::tui::theme::{Depth, Theme};

/// Grows with the answer that it stands above.
#[derive(Clone, Debug, Default)]
pub struct Thoughts {
    /// Made safe for a terminal.
    pub text: String,
    /// What it took; unknown of a conversation that was brought back from an older file.
    pub took: Thought,
    /// All of it is shown.
    pub open: bool,
    /// The model is at it, or was when it was stopped.
    pub unfinished: bool,
}

/// Narrower than this, the last sentence has a line of its own.
const BESIDE: usize = 60;
/// How far back the last sentence is looked for.
const LAST: usize = 400;

impl Thoughts {
    /// Whether there is something to show.
    pub fn any(&self) -> bool {
        self.unfinished || !self.text.trim().is_empty()
    }

    /// What it took, to be written down.
    pub fn record(&self) -> Option<Record> {
        (self.took.tokens > 0).then_some(Record::Thought(self.took))
    }

    /// The line that stands for it, and all of it where it is open.
    pub fn lines(&self, running: bool, room: usize, theme: &Theme) -> Vec<Line<'static>> {
        let mut style = Style::new().fg(theme.dim);
        if theme.depth == Depth::None {
            style = style.add_modifier(Modifier::DIM);
        }
        let thinking = running && self.unfinished;
        let mut told = match (self.open, thinking) {
            (true, true) => "▾ thinking".to_owned(),
            (true, false) => "▾ thought".to_owned(),
            (false, true) => "▸ thinking".to_owned(),
            (false, false) => "▸ thought".to_owned(),
        };
        let Thought { tokens, seconds } = self.took;
        if tokens > 0 {
            let by = if thinking { " ·" } else { " for" };
            told.push_str(&format!(
                "{by} {} · {} tokens",
                human::duration(seconds),
                human::thousands(tokens)
            ));
        } else if !thinking {
            let words = human::thousands(self.text.split_whitespace().count());
            told.push_str(&format!(" · {words} words"));
        }
        if self.unfinished && !running {
            told.push_str(" · not to its end");
        }
        let sentence = match thinking && !self.open {
            true => last_sentence(&self.text),
            false => "",
        };
        let mut below = None;
        if !sentence.is_empty() && room >= BESIDE {
            told.push_str(" · ");
            told.push_str(sentence);
        } else if !sentence.is_empty() {
            below = Some(format!("  {sentence}"));
        }
        // The caret has room behind it.
        let shown = |text: &str| {
            let text = wrap::truncate(text, room.saturating_sub(1).max(1));
            Line::from(Span::styled(text, style))
        };
        let mut lines = vec![shown(&told)];
        lines.extend(below.as_deref().map(shown));
        if self.open {
            let text = Span::styled(self.text.trim().to_owned(), style);
            let bar = || Span::styled("│ ", Style::new().fg(theme.faint));
            for line in wrap::wrap(&[text], room.saturating_sub(2).max(1)) {
                let spans = std::iter::once(bar()).chain(line.spans);
                lines.push(Line::from(spans.collect::<Vec<_>>()));
            }
        }
        lines
    }
}

/// The sentence at the end, on one line; the one before it where it has only begun.
fn last_sentence(text: &str) -> &str {
    let text = text.trim_end();
    let tail = &text[text.ceil_char_boundary(text.len().saturating_sub(LAST))..];
    let line = tail.lines().rev().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or_default().trim();
    let ends = [".", "?", "!", ":"];
    let mut starts = line.match_indices(' ').filter(|(at, _)| {
        let before = &line[..*at];
        ends.iter().any(|end| before.ends_with(end))
    });
    match starts.next_back() {
        Some((at, _)) => &line[at + 1..],
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sentence_stands_for_a_thought() {
        assert_eq!(last_sentence("One. Two is so"), "Two is so");
        assert_eq!(last_sentence("One. Two is.\n\n"), "Two is.");
        assert_eq!(last_sentence("- a\n- 1.5 and\n"), "- 1.5 and");
        assert_eq!(last_sentence(""), "");
        let long = "é".repeat(2 * LAST);
        assert!(last_sentence(&long).chars().all(|c| c == 'é'));
    }

    #[test]
    fn a_line_says_how_long_and_how_much() {
        let theme = Theme::default();
        let shown = |thoughts: &Thoughts, running, room| {
            let lines = thoughts.lines(running, room, &theme);
            let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
            lines.join("\n")
        };
        let mut thoughts = Thoughts {
            text: "Let me see.\nIt is in the contract".into(),
            took: Thought {
                tokens: 1384,
                seconds: 12.3,
            },
            unfinished: true,
            ..Thoughts::default()
        };
        assert_eq!(
            shown(&thoughts, true, 80),
            "▸ thinking · 12 s · 1,384 tokens · It is in the contract"
        );
        assert_eq!(
            shown(&thoughts, true, 30),
            "▸ thinking · 12 s · 1,384 to…\n  It is in the contract"
        );
        assert!(shown(&thoughts, false, 80).ends_with("tokens · not to its end"));
        thoughts.unfinished = false;
        assert_eq!(
            shown(&thoughts, false, 80),
            "▸ thought for 12 s · 1,384 tokens"
        );
        thoughts.open = true;
        assert_eq!(
            shown(&thoughts, false, 80),
            "▾ thought for 12 s · 1,384 tokens\n│ Let me see.\n│ It is in the contract"
        );
        thoughts.took = Thought::default();
        thoughts.open = false;
        assert_eq!(shown(&thoughts, false, 80), "▸ thought · 8 words");
        for room in 0..4 {
            thoughts.lines(true, room, &theme);
        }
    }
}
