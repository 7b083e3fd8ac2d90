//! One entry of the conversation and its lines.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::thoughts::Thoughts;
use crate::engine::event::Trigger;
use crate::model::thoughts::{Part, Splitter};
use crate::saved::Ending;
use crate::tui::composer::fitted;
use crate::tui::text::{safe, stream::Stream, wrap};
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
    /// The same where there is less room.
    pub short: String,
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
    /// As the model wrote it, thoughts included, for the model; never for a terminal.
    pub raw: String,
    pub thoughts: Thoughts,
    pub(in crate::tui) splitter: Splitter,
    /// What the splitter holds is shown.
    pub(in crate::tui) paused: bool,
    /// Lines above the text, as they were laid out last.
    pub(in crate::tui) above: usize,
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
    /// Seconds that were thought before it was stopped and went on.
    pub(in crate::tui) before: f64,
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
            Entry::Answer(a) => {
                let shown = a.thoughts.text.len() * usize::from(a.thoughts.open);
                a.text.source().len() + shown
            }
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
            Entry::Answer(a) => a.settled(),
            _ => 0,
        }
    }
}

/// A part of an answer joins what is shown of it.
fn take(thoughts: &mut Thoughts, text: &mut Stream, part: Part, said: &str) {
    match part {
        Part::Mark if !thoughts.text.is_empty() => thoughts.text.push('\n'),
        Part::Mark => {}
        Part::Thought => thoughts.text.push_str(&safe::visible(said)),
        Part::Answer if text.source().is_empty() && !thoughts.text.is_empty() => {
            text.push(&safe::visible(said.trim_start()));
        }
        Part::Answer => text.push(&safe::visible(said)),
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
                spans.push(Span::styled(fitted(label, room), chip));
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
        let text = match wrap::width(&self.text) <= room {
            true => &self.text,
            false => &self.short,
        };
        vec![
            Line::from(Span::styled(
                wrap::truncate(text, room),
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
    /// The next piece, as the model writes it.
    pub fn say(&mut self, piece: &str) {
        self.raw.push_str(piece);
        self.paused = false;
        let Answer {
            splitter,
            thoughts,
            text,
            ..
        } = self;
        splitter.push(piece, &mut |part, said| take(thoughts, text, part, said));
        thoughts.unfinished = splitter.thinking();
    }

    /// Nothing follows for now: what may have been the beginning of a mark is shown.
    pub fn pause(&mut self) {
        let Answer {
            splitter,
            paused,
            thoughts,
            text,
            ..
        } = self;
        let mut rest = splitter.clone();
        if !std::mem::replace(paused, true) {
            rest.finish(&mut |part, said| take(thoughts, text, part, said));
        }
    }

    /// It goes on: what was shown too early is taken back.
    pub fn go_on(&mut self) {
        self.running = true;
        self.before = self.thoughts.took.seconds;
        if self.splitter.holds() {
            let raw = std::mem::take(&mut self.raw);
            (self.text, self.splitter) = (Stream::default(), Splitter::default());
            self.thoughts.text.clear();
            self.say(&raw);
        }
    }

    /// One more token was drawn, `seconds` after the answer began or went on.
    pub fn count(&mut self, seconds: f64) {
        if self.thoughts.unfinished {
            self.thoughts.took.tokens += 1;
            self.thoughts.took.seconds = self.before + seconds;
        }
    }

    /// Lines that are final.
    fn settled(&self) -> usize {
        match self.thoughts.unfinished {
            true => 0,
            // The last line may carry the caret.
            false => match self
                .text
                .settled()
                .min(self.text.lines().len().saturating_sub(1))
            {
                0 => 0,
                settled => self.above + settled,
            },
        }
    }

    /// What stands above the text.
    fn head(&self, room: usize, theme: &Theme) -> Vec<Line<'static>> {
        if !self.thoughts.any() {
            return Vec::new();
        }
        let mut lines = self.thoughts.lines(self.running, room, theme);
        if !self.text.lines().is_empty() || self.running && !self.thoughts.unfinished {
            lines.push(Line::default());
        }
        lines
    }

    /// All lines but the first `skip`, which are final.
    fn lines(&mut self, room: usize, theme: &Theme, skip: usize) -> Vec<Line<'static>> {
        let mut lines = match skip {
            0 => self.head(room, theme),
            _ => Vec::new(),
        };
        if skip == 0 {
            self.above = lines.len();
        }
        let skip = skip.saturating_sub(self.above);
        lines.extend_from_slice(self.text.lines().get(skip..).unwrap_or(&[]));
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
