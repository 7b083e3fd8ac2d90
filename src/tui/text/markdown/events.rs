//! What each event of the Markdown parser does.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Tag, TagEnd};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::renderer::Renderer;
use crate::tui::text::highlight::Highlighter;
use crate::tui::text::place::{self, Block, Kind};
use crate::tui::text::{code, literal, table, wrap};

/// `<br>`, as it is written.
fn is_break(html: &str) -> bool {
    let tag = html.trim().strip_prefix('<');
    let name = tag.and_then(|tag| tag.strip_suffix('>'));
    name.is_some_and(|name| name.trim_end_matches(['/', ' ']).eq_ignore_ascii_case("br"))
}

impl Renderer<'_> {
    /// One event of the parser, with where it stands in the text.
    pub(super) fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range.start),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some((_, body)) => body.push_str(&literal::clean(&text)),
                None => {
                    let text = literal::clean(&text);
                    let shown: &str = match self.broken() {
                        true => text.trim_start_matches(' '),
                        false => &text,
                    };
                    if !shown.is_empty() {
                        self.text(shown, self.style());
                    }
                }
            },
            Event::Code(text) => {
                let style = Style::new()
                    .fg(self.theme.code)
                    .bg(self.theme.code_background);
                let style = style.add_modifier(self.style().add_modifier);
                self.text(&literal::clean(&text), style);
            }
            Event::InlineMath(text) => self.formula(&format!("${text}$")),
            Event::DisplayMath(text) => self.formula(&format!("$${text}$$")),
            // Alone between blocks it says no more than they do.
            Event::Html(text) if is_break(&text) => {}
            Event::InlineHtml(text) if is_break(&text) => self.text("\n", self.style()),
            Event::Html(text) | Event::InlineHtml(text) => {
                let style = Style::new().fg(self.theme.dim);
                self.text(&literal::clean(&text), style);
            }
            Event::SoftBreak | Event::HardBreak if self.broken() => {}
            // In a chat the lines of a poem or an address are meant as lines.
            Event::SoftBreak | Event::HardBreak => self.text("\n", self.style()),
            Event::Rule => {
                self.begin(Block::Rule);
                let rule = "─".repeat(self.room().min(40));
                self.emit(Line::from(Span::styled(rule, self.theme.faint)));
                self.leaf = None;
            }
            Event::TaskListMarker(done) => self.task(done),
            _ => {}
        }
    }

    fn formula(&mut self, text: &str) {
        let style = self.style().fg(self.theme.code);
        self.text(&literal::clean(text), style);
    }

    /// The box of a task stands where the sign of the item would.
    fn task(&mut self, done: bool) {
        let mark = if done { "☑ " } else { "☐ " };
        match self.place.frames.last_mut().map(|f| &mut f.kind) {
            Some(Kind::Item {
                marker: Some(marker),
                indent: 2,
                ..
            }) => *marker = mark.into(),
            _ => self.text(mark, Style::new().fg(self.theme.accent)),
        }
    }

    fn start(&mut self, tag: Tag<'_>, at: usize) {
        match tag {
            Tag::Emphasis => self.push_style(|s| s.add_modifier(Modifier::ITALIC)),
            Tag::Strong => self.push_style(|s| s.add_modifier(Modifier::BOLD)),
            Tag::Strikethrough => self.push_style(|s| s.add_modifier(Modifier::CROSSED_OUT)),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.link = Some((literal::clean(&dest_url).into_owned(), String::new()));
                let link = self.theme.link;
                self.push_style(|s| s.fg(link).add_modifier(Modifier::UNDERLINED));
            }
            Tag::Paragraph => self.begin(Block::Paragraph),
            Tag::HtmlBlock => self.begin(Block::Html),
            Tag::Heading { level, .. } => {
                self.begin(Block::Heading);
                let heading = Style::new()
                    .fg(self.theme.heading)
                    .add_modifier(Modifier::BOLD);
                self.push_style(|_| match level {
                    HeadingLevel::H1 => heading.add_modifier(Modifier::UNDERLINED),
                    HeadingLevel::H2 => heading,
                    _ => heading.add_modifier(Modifier::ITALIC),
                });
            }
            Tag::BlockQuote(_) => {
                let head = place::quote_head(self.text, at);
                self.open(Block::Quote, Kind::Quote, head);
                self.quote_style();
            }
            Tag::List(next) => self.open(Block::List, Kind::List { next }, None),
            Tag::Item => self.item(at),
            Tag::CodeBlock(kind) => {
                self.begin(Block::Code);
                let mut language = String::new();
                if let CodeBlockKind::Fenced(info) = &kind {
                    language.push_str(info.split_whitespace().next().unwrap_or(""));
                    self.settle_fence(at);
                }
                self.code = Some((language, String::new()));
            }
            Tag::Table(alignments) => {
                self.begin(Block::Table);
                let head = place::table_head(self.text, at, &alignments);
                self.place.table = Some(table::Table::new(alignments, head));
            }
            Tag::TableHead => {
                let strong = Style::new()
                    .fg(self.theme.heading)
                    .add_modifier(Modifier::BOLD);
                self.push_style(|_| strong);
                self.table(table::Table::row);
            }
            Tag::TableRow => self.table(table::Table::row),
            Tag::TableCell => self.table(table::Table::cell),
            _ => {}
        }
    }

    fn table(&mut self, f: impl FnOnce(&mut table::Table)) {
        if let Some(table) = &mut self.place.table {
            f(table);
        }
    }

    fn item(&mut self, at: usize) {
        let depth = self.place.list_depth();
        let (head, content) = place::item_head(self.text, at);
        let mut marker = ["• ", "◦ ", "▪ "][(depth.max(1) - 1) % 3].to_owned();
        self.flush();
        if let Some(frame) = self.place.frames.last_mut()
            && let Kind::List { next } = &mut frame.kind
        {
            frame.head.clone_from(&head);
            if let Some(next) = next {
                marker = format!("{next}. ");
                *next = next.saturating_add(1);
            }
        }
        let kind = Kind::Item {
            indent: wrap::width(&marker),
            marker: Some(marker),
            content,
        };
        self.open(Block::Item, kind, head);
    }

    pub(super) fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => self.pop_style(),
            TagEnd::Link | TagEnd::Image => {
                self.pop_style();
                if let Some((url, text)) = self.link.take()
                    && !url.is_empty()
                    && url.trim_start_matches("mailto:") != text
                {
                    let style = Style::new().fg(self.theme.faint);
                    self.text(&format!(" ({url})"), style);
                }
            }
            TagEnd::CodeBlock => {
                if let Some((language, body)) = self.code.take() {
                    self.code_block(&language, &body);
                }
                self.leaf = None;
            }
            TagEnd::TableCell => self.table(table::Table::end_cell),
            TagEnd::TableHead | TagEnd::TableRow => {
                if tag == TagEnd::TableHead {
                    self.pop_style();
                }
                let room = self.room();
                if let Some(table) = &mut self.place.table {
                    let lines = table.row_done(room, self.theme);
                    lines.into_iter().for_each(|line| self.emit(line));
                }
            }
            TagEnd::Table => {
                let room = self.room();
                if let Some(table) = self.place.table.take() {
                    let lines = table.finish(room, self.theme);
                    lines.into_iter().for_each(|line| self.emit(line));
                }
                self.leaf = None;
            }
            TagEnd::Heading(_) => {
                self.flush();
                self.pop_style();
            }
            TagEnd::BlockQuote(_) => {
                self.close();
                self.pop_style();
            }
            TagEnd::List(_) => {
                self.close();
            }
            TagEnd::Item => {
                self.flush();
                let empty = self.place.frames.last().is_some_and(|f| f.last.is_none());
                if empty {
                    self.emit(Line::default());
                }
                if let Some(item) = self.close()
                    && let Some(list) = self.place.frames.last_mut()
                {
                    list.airy = item.airy;
                }
            }
            _ => self.flush(),
        }
    }

    fn code_block(&mut self, language: &str, body: &str) {
        let room = self.room();
        let body = body.strip_suffix('\n').unwrap_or(body);
        let mut highlighter = Highlighter::new(language);
        for (i, source) in body.split('\n').enumerate() {
            let tag = (i == 0).then_some(language);
            for line in code::line(tag, source, &mut highlighter, room, self.theme) {
                self.emit(line);
            }
        }
    }
}
