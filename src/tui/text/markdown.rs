//! Markdown → styled lines of a given width.

mod settle;

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::fence::Fence;
use super::highlight::Highlighter;
use super::place::{self, Block, Frame, Kind, Place};
use super::{code, literal, table, wrap};
use crate::tui::theme::Theme;

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS
}

/// Lays a whole text out; blocks are one empty line apart.
pub fn render(source: &str, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let marked = literal::mark(source);
    Part::lay_out(&marked, Place::default(), width, theme).lines
}

/// A part of a text, laid out.
pub struct Part {
    pub lines: Vec<Line<'static>>,
    /// The last place before which all is final.
    pub settled: Option<Settled>,
}

/// A place in a part before which all is final.
pub struct Settled {
    /// Bytes of the part.
    pub bytes: usize,
    /// Lines of it.
    pub lines: usize,
    pub place: Place,
    /// Set where it is the first line in an open code block.
    pub fence: Option<Box<Fence>>,
}

impl Part {
    /// Lays out what stands at a place; `marked` comes from `literal::mark`.
    pub fn lay_out(marked: &str, place: Place, width: usize, theme: &Theme) -> Part {
        // Half a line of spaces says nothing yet.
        let marked = match marked.rfind('\n') {
            Some(at) if marked[at..].trim().is_empty() => &marked[..=at],
            _ => marked,
        };
        let skeleton = place.skeleton();
        let text = match skeleton.is_empty() {
            true => Cow::Borrowed(marked),
            false => Cow::Owned(skeleton.clone() + marked),
        };
        let mut r = Renderer::new(place, width.max(1), theme);
        r.text = &text;
        r.start = skeleton.len();
        r.line = skeleton.len();
        r.complete = text.rfind('\n').map_or(0, |at| at + 1);
        r.begun = skeleton.is_empty();
        let mut open = 0;
        for (event, range) in Parser::new_ext(&text, options()).into_offset_iter() {
            r.begun |= range.start >= r.start && !matches!(event, Event::End(_));
            if r.begun {
                r.settle(&event, &range);
                r.event(event, range);
            } else {
                r.skeleton(event, &mut open);
            }
        }
        r.flush();
        Part {
            lines: r.lines,
            settled: r.settled,
        }
    }
}

struct Renderer<'t> {
    theme: &'t Theme,
    width: usize,
    text: &'t str,
    /// Bytes of the skeleton.
    start: usize,
    /// Where the last line begins that a block begins on.
    line: usize,
    /// Bytes of whole lines.
    complete: usize,
    begun: bool,
    place: Place,
    settled: Option<Settled>,
    lines: Vec<Line<'static>>,
    /// The block that is being collected, and its text.
    leaf: Option<Block>,
    spans: Vec<Span<'static>>,
    styles: Vec<Style>,
    code: Option<(String, String)>,
    /// Address and text of a link.
    link: Option<(String, String)>,
}

impl<'t> Renderer<'t> {
    fn new(place: Place, width: usize, theme: &'t Theme) -> Self {
        let mut r = Renderer {
            theme,
            width,
            text: "",
            start: 0,
            line: 0,
            complete: 0,
            begun: false,
            leaf: place.table.is_some().then_some(Block::Table),
            settled: None,
            lines: Vec::new(),
            spans: Vec::new(),
            styles: vec![Style::new().fg(theme.text)],
            code: None,
            link: None,
            place: Place::default(),
        };
        for frame in &place.frames {
            if matches!(frame.kind, Kind::Quote) {
                r.quote_style();
            }
        }
        r.place = place;
        r
    }

    fn style(&self) -> Style {
        self.styles.last().copied().unwrap_or_default()
    }

    fn push_style(&mut self, f: impl FnOnce(Style) -> Style) {
        let style = f(self.style());
        self.styles.push(style);
    }

    fn quote_style(&mut self) {
        let quote = self.theme.dim;
        self.push_style(|s| s.fg(quote).add_modifier(Modifier::ITALIC));
    }

    fn pop_style(&mut self) {
        if self.styles.len() > 1 {
            self.styles.pop();
        }
    }

    fn room(&self) -> usize {
        let indent = self.place.indent(self.width);
        self.width.saturating_sub(indent).max(1)
    }

    /// A block begins.
    fn begin(&mut self, block: Block) {
        self.flush();
        self.place.begin(block);
        self.leaf = Some(block);
    }

    fn open(&mut self, block: Block, kind: Kind, head: Option<String>) {
        self.begin(block);
        self.leaf = None;
        self.place.frames.push(Frame::new(kind, head));
    }

    fn close(&mut self) -> Option<Frame> {
        self.flush();
        match self.place.frames.len() {
            0 | 1 => None,
            _ => self.place.frames.pop(),
        }
    }

    fn text(&mut self, text: &str, style: Style) {
        if let Some((_, linked)) = &mut self.link {
            linked.push_str(text);
        }
        let span = Span::styled(text.to_owned(), style);
        if let Some(table) = &mut self.place.table {
            return table.push(span);
        }
        if self.leaf.is_none() {
            // Text of a tight list's item comes without a paragraph.
            self.begin(Block::Paragraph);
        }
        self.spans.push(span);
    }

    fn emit(&mut self, line: Line<'static>) {
        let leaf = self.leaf.unwrap_or(Block::Paragraph);
        (self.place).line(line, leaf, self.width, self.theme, &mut self.lines);
    }

    /// Ends the block being collected.
    fn flush(&mut self) {
        if !self.spans.is_empty() {
            let mut spans = std::mem::take(&mut self.spans);
            if self.leaf == Some(Block::Html)
                && let Some(last) = spans.last_mut()
            {
                last.content = last.content.trim_end_matches('\n').to_owned().into();
            }
            for line in wrap::wrap(&spans, self.room()) {
                self.emit(line);
            }
        }
        self.leaf = None;
    }

    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range.start),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some((_, body)) => body.push_str(&literal::clean(&text)),
                None => self.text(&literal::clean(&text), self.style()),
            },
            Event::Code(text) => {
                let style = Style::new()
                    .fg(self.theme.code)
                    .bg(self.theme.code_background);
                let style = style.add_modifier(self.style().add_modifier);
                self.text(&literal::clean(&text), style);
            }
            Event::Html(text) | Event::InlineHtml(text) => {
                let style = Style::new().fg(self.theme.dim);
                self.text(&literal::clean(&text), style);
            }
            Event::SoftBreak => self.text(" ", self.style()),
            Event::HardBreak => self.text("\n", self.style()),
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

    fn end(&mut self, tag: TagEnd) {
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
            TagEnd::TableCell => {}
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

#[cfg(test)]
mod tests;
