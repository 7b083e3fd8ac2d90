//! One entry of the conversation and its lines.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::engine::event::Trigger;
use crate::saved::Ending;
use crate::tui::text::{stream::Stream, wrap};
use crate::tui::theme::Theme;

/// A piece of a user's message.
#[derive(Clone, Debug, PartialEq)]
pub enum MessagePart {
    Text(String),
    /// The label of a paste or file.
    Chip(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What the cache did, what a command changed.
    Info,
    Warning,
    Error,
}

/// How far the reading of the prompt is; stands where the answer will be.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// 0–1.
    pub share: f64,
    pub text: String,
}

/// What the cache did, in a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Did {
    pub trigger: Trigger,
    pub text: String,
}

/// An answer, growing.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub text: Stream,
    /// As the model wrote it, for the model; never for a terminal.
    pub raw: String,
    pub running: bool,
    pub progress: Option<Progress>,
    /// Below a finished answer: tokens, speed, how it ended.
    pub footer: Option<String>,
    /// What the cache did during this turn.
    pub rounds: Vec<Did>,
    /// That is shown.
    pub details: bool,
    /// Tokens of it so far, where it was given here.
    pub tokens: usize,
    /// How it ended; `None` where the app was ended first.
    pub end: Option<Ending>,
    /// It is the last one and not complete: it can be gone on with.
    pub open: bool,
}

#[derive(Clone, Debug)]
pub enum Entry {
    User {
        parts: Vec<MessagePart>,
        /// As it stood in the input.
        raw: String,
    },
    Answer(Box<Answer>),
    Note {
        level: Level,
        text: String,
    },
}

/// Narrower than this, names stand above the text instead of beside it.
const GUTTER_FROM: usize = 46;
const GUTTER: usize = 8;

impl Entry {
    pub fn invalidate(&mut self) {
        if let Entry::Answer(a) = self {
            a.text.invalidate();
        }
    }

    /// Bytes of text in it.
    pub fn size(&self) -> usize {
        match self {
            Entry::User { parts, .. } => {
                let sizes = parts.iter().map(|part| match part {
                    MessagePart::Text(text) | MessagePart::Chip(text) => text.len(),
                });
                sizes.sum()
            }
            Entry::Answer(a) => a.text.source().len(),
            Entry::Note { text, .. } => text.len(),
        }
    }

    /// Brings `laid` up to date: lines of at most `width` cells, an empty one at the end. The first
    /// `settled` are final and stay; the answer is how many are now.
    pub fn lay_out(
        &mut self,
        width: usize,
        theme: &Theme,
        laid: &mut Vec<Line<'static>>,
        settled: usize,
    ) -> usize {
        laid.truncate(settled);
        let kept = laid.len();
        let gutter = if width >= GUTTER_FROM { GUTTER } else { 2 };
        let room = width.saturating_sub(gutter).max(1);
        let (name, style, mut body) = match self {
            Entry::User { parts, .. } => {
                let style = Style::new().fg(theme.user).add_modifier(Modifier::BOLD);
                ("you", style, user(parts, room, theme))
            }
            Entry::Answer(a) => {
                let style = Style::new()
                    .fg(theme.assistant)
                    .add_modifier(Modifier::BOLD);
                a.text.layout(room, theme);
                ("cachat", style, a.lines(room, theme, kept))
            }
            Entry::Note { level, text } => {
                let colour = match level {
                    Level::Info => theme.dim,
                    Level::Warning => theme.warning,
                    Level::Error => theme.bad,
                };
                let text = Span::styled(text.clone(), Style::new().fg(colour));
                let mark = if *level == Level::Info { "·" } else { "!" };
                (mark, Style::new().fg(colour), wrap::wrap(&[text], room))
            }
        };
        if body.is_empty() && kept == 0 {
            body.push(Line::default());
        }
        let label = match (gutter, name) {
            (GUTTER, "·" | "!") => format!("{name:>6}  "),
            (GUTTER, _) => format!("{name:<GUTTER$}"),
            (_, "you") => "› ".to_owned(),
            (_, "cachat") => "● ".to_owned(),
            _ => format!("{name} "),
        };
        for line in body {
            let first = match laid.len() {
                0 => Span::styled(label.clone(), style),
                _ => Span::raw(" ".repeat(gutter)),
            };
            let mut spans = vec![first];
            spans.extend(line.spans);
            laid.push(Line::from(spans));
        }
        laid.push(Line::default());
        match self {
            // The last line may carry the caret.
            Entry::Answer(a) => a.text.settled().min(a.text.lines().len().saturating_sub(1)),
            _ => 0,
        }
    }
}

fn user(parts: &[MessagePart], room: usize, theme: &Theme) -> Vec<Line<'static>> {
    let mut spans = Vec::new();
    for part in parts {
        match part {
            MessagePart::Text(text) => {
                let text = if spans.is_empty() {
                    text.trim_start()
                } else {
                    text
                };
                spans.push(Span::styled(text.to_owned(), theme.text));
            }
            MessagePart::Chip(label) => {
                let chip = Style::new().fg(theme.chip).bg(theme.chip_background);
                spans.push(Span::styled(wrap::truncate(label, room), chip));
            }
        }
    }
    wrap::wrap(&spans, room)
}

/// Cells of the progress bar where there is room.
const BAR: usize = 40;

impl Progress {
    fn lines(&self, room: usize, theme: &Theme) -> Vec<Line<'static>> {
        let cells = room.min(BAR);
        let done = (self.share.clamp(0.0, 1.0) * cells as f64).round() as usize;
        vec![
            Line::from(Span::styled(
                wrap::truncate(&self.text, room),
                Style::new().fg(theme.dim),
            )),
            Line::from(vec![
                Span::styled("━".repeat(done), Style::new().fg(theme.bar)),
                Span::styled("─".repeat(cells - done), Style::new().fg(theme.track)),
            ]),
        ]
    }
}

const GOES_ON: &str = "Ctrl-O goes on";

impl Answer {
    /// All lines but the first `skip`, which are final.
    fn lines(&self, room: usize, theme: &Theme, skip: usize) -> Vec<Line<'static>> {
        let mut lines = self.text.lines().get(skip..).unwrap_or(&[]).to_vec();
        if self.running {
            let caret = Span::styled("▍", Style::new().fg(theme.accent));
            match lines.last_mut() {
                Some(last) if wrap::line_width(last) < room => last.spans.push(caret),
                Some(_) => lines.push(Line::from(caret)),
                None => match &self.progress {
                    Some(progress) => lines.extend(progress.lines(room, theme)),
                    None => lines.push(Line::from(caret)),
                },
            }
        }
        let quiet = Style::new().fg(theme.faint);
        let open = self.open && !self.running;
        let footer = match &self.footer {
            Some(footer) if open => Some(format!("{footer} · {GOES_ON}")),
            None if open => Some(format!("not finished · {GOES_ON}")),
            footer => footer.clone(),
        };
        let details = self.rounds.iter().filter(|_| self.details);
        let details = details.map(|did| match did.trigger {
            Trigger::Recall => (did.text.clone(), Style::new().fg(theme.dim)),
            Trigger::Prefill | Trigger::Decode => (did.text.clone(), quiet),
        });
        let below: Vec<_> = footer
            .map(|text| (text, quiet))
            .into_iter()
            .chain(details)
            .collect();
        if !below.is_empty() && !lines.is_empty() {
            lines.push(Line::default());
        }
        for (text, style) in below {
            lines.extend(wrap::wrap(&[Span::styled(text, style)], room));
        }
        lines
    }
}
