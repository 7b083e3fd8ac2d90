//! Markdown → styled lines of a given width.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::highlight::Highlighter;
use super::{code, table, wrap};
use crate::tui::theme::Theme;

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS
}

/// Byte offsets at which the top-level blocks begin (at the start of their line).
pub fn block_starts(source: &str) -> Vec<usize> {
    let mut depth = 0usize;
    let mut starts = Vec::new();
    for (event, range) in Parser::new_ext(source, options()).into_offset_iter() {
        if depth == 0 && !matches!(event, Event::End(_)) {
            starts.push(source[..range.start].rfind('\n').map_or(0, |at| at + 1));
        }
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    starts
}

/// Lays a whole text out; blocks are one empty line apart.
pub fn render(source: &str, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let mut r = Renderer::new(width.max(1), theme);
    for event in Parser::new_ext(source, options()) {
        r.event(event);
    }
    r.flush();
    r.lines
}

struct List {
    next: Option<u64>,
}

struct Renderer<'t> {
    theme: &'t Theme,
    width: usize,
    lines: Vec<Line<'static>>,
    spans: Vec<Span<'static>>,
    styles: Vec<Style>,
    /// Drawn before every line of the open containers (quote bars, list indents).
    prefix: Vec<Span<'static>>,
    /// Replaces the innermost prefix on the first line of a list item.
    marker: Option<Span<'static>>,
    lists: Vec<List>,
    code: Option<(String, String)>,
    table: Option<table::Table>,
    link: Option<String>,
    depth: usize,
    gap_due: bool,
}

impl<'t> Renderer<'t> {
    fn new(width: usize, theme: &'t Theme) -> Self {
        Renderer {
            theme,
            width,
            lines: Vec::new(),
            spans: Vec::new(),
            styles: vec![Style::new().fg(theme.text)],
            prefix: Vec::new(),
            marker: None,
            lists: Vec::new(),
            code: None,
            table: None,
            link: None,
            depth: 0,
            gap_due: false,
        }
    }

    fn style(&self) -> Style {
        self.styles.last().copied().unwrap_or_default()
    }

    fn push_style(&mut self, f: impl FnOnce(Style) -> Style) {
        let style = f(self.style());
        self.styles.push(style);
    }

    fn pop_style(&mut self) {
        if self.styles.len() > 1 {
            self.styles.pop();
        }
    }

    fn text(&mut self, text: &str, style: Style) {
        if let Some(table) = &mut self.table {
            table.push(Span::styled(text.to_owned(), style));
        } else {
            self.spans.push(Span::styled(text.to_owned(), style));
        }
    }

    /// An empty line between blocks (not before the first, not inside tight lists).
    fn gap(&mut self) {
        self.gap_due |= self.depth == 0;
    }

    fn prefix_width(&self) -> usize {
        self.prefix.iter().map(|s| wrap::width(&s.content)).sum()
    }

    fn emit(&mut self, line: Line<'static>) {
        // Owed since the block began, paid only by a block that has lines.
        if std::mem::take(&mut self.gap_due) && !self.lines.is_empty() {
            self.lines.push(Line::default());
        }
        let mut spans = self.prefix.clone();
        if let Some(marker) = self.marker.take()
            && let Some(last) = spans.last_mut()
        {
            *last = marker;
        }
        spans.extend(line.spans);
        self.lines.push(Line::from(spans));
    }

    /// Ends the paragraph being collected.
    fn flush(&mut self) {
        if self.spans.is_empty() {
            return;
        }
        let spans = std::mem::take(&mut self.spans);
        let room = self.width.saturating_sub(self.prefix_width()).max(1);
        for line in wrap::wrap(&spans, room) {
            self.emit(line);
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some((_, body)) => body.push_str(&text),
                None => self.text(&text, self.style()),
            },
            Event::Code(text) => {
                let style = Style::new()
                    .fg(self.theme.code)
                    .bg(self.theme.code_background);
                self.text(&text, style.add_modifier(self.style().add_modifier));
            }
            Event::Html(text) | Event::InlineHtml(text) => {
                if self.depth == 0 {
                    self.gap();
                }
                let style = Style::new().fg(self.theme.dim);
                self.text(&text, style);
            }
            Event::SoftBreak => self.text(" ", self.style()),
            Event::HardBreak => self.text("\n", self.style()),
            Event::Rule => {
                self.gap();
                let room = self.width.saturating_sub(self.prefix_width()).max(1);
                let rule = Span::styled("─".repeat(room.min(40)), self.theme.faint);
                self.emit(Line::from(rule));
            }
            Event::TaskListMarker(done) => {
                let mark = if done { "☑ " } else { "☐ " };
                self.text(mark, Style::new().fg(self.theme.accent));
            }
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match &tag {
            Tag::Emphasis => return self.push_style(|s| s.add_modifier(Modifier::ITALIC)),
            Tag::Strong => return self.push_style(|s| s.add_modifier(Modifier::BOLD)),
            Tag::Strikethrough => {
                return self.push_style(|s| s.add_modifier(Modifier::CROSSED_OUT));
            }
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.link = Some(dest_url.to_string());
                let link = self.theme.link;
                return self.push_style(|s| s.fg(link).add_modifier(Modifier::UNDERLINED));
            }
            _ => {}
        }
        if !matches!(tag, Tag::TableHead | Tag::TableRow | Tag::TableCell) {
            self.flush();
        }
        match tag {
            Tag::Paragraph if self.depth == 0 => self.gap(),
            // A second paragraph of a list item or a quotation stands apart from the first.
            Tag::Paragraph if self.marker.is_none() => self.blank_inside(),
            Tag::Heading { level, .. } => {
                self.gap();
                let heading = Style::new()
                    .fg(self.theme.heading)
                    .add_modifier(Modifier::BOLD);
                self.push_style(|_| heading);
                if level == HeadingLevel::H1 {
                    self.push_style(|s| s.add_modifier(Modifier::UNDERLINED));
                } else {
                    self.push_style(|s| s);
                }
            }
            Tag::BlockQuote(_) => {
                self.gap();
                self.prefix.push(Span::styled("▎ ", self.theme.quote));
                let quote = self.theme.dim;
                self.push_style(|s| s.fg(quote).add_modifier(Modifier::ITALIC));
            }
            Tag::CodeBlock(kind) => {
                self.gap();
                let language = match kind {
                    CodeBlockKind::Fenced(l) => {
                        l.split_whitespace().next().unwrap_or("").to_owned()
                    }
                    CodeBlockKind::Indented => String::new(),
                };
                self.code = Some((language, String::new()));
            }
            Tag::List(next) => {
                if self.lists.is_empty() {
                    self.gap();
                }
                self.lists.push(List { next });
            }
            Tag::Item => {
                let depth = self.lists.len();
                let label = match self.lists.last_mut() {
                    Some(List { next: Some(n) }) => {
                        let label = format!("{n}. ");
                        *n += 1;
                        label
                    }
                    _ => ["• ", "◦ ", "▪ "][(depth.max(1) - 1) % 3].to_owned(),
                };
                let indent = " ".repeat(label.len().min(wrap::width(&label)));
                self.prefix.push(Span::raw(indent));
                self.marker = Some(Span::styled(label, self.theme.accent));
            }
            Tag::Table(alignments) => {
                self.gap();
                self.table = Some(table::Table::new(alignments));
            }
            Tag::TableHead => {
                let strong = Style::new()
                    .fg(self.theme.heading)
                    .add_modifier(Modifier::BOLD);
                self.push_style(|_| strong);
                if let Some(t) = &mut self.table {
                    t.row();
                }
            }
            Tag::TableRow => {
                if let Some(t) = &mut self.table {
                    t.row();
                }
            }
            Tag::TableCell => {
                if let Some(t) = &mut self.table {
                    t.cell();
                }
                return;
            }
            Tag::HtmlBlock => self.gap(),
            _ => {}
        }
        self.depth += 1;
    }

    fn blank_inside(&mut self) {
        let prefix = Line::from(self.prefix.clone());
        let in_list = !self.lists.is_empty();
        let apart = self.lines.last().is_some_and(|line| {
            let text = line.to_string();
            let inside = if in_list {
                !text.trim().is_empty()
            } else {
                text.starts_with('▎')
            };
            inside && *line != prefix
        });
        // A gap that is due parts it from another block already.
        if apart && !self.gap_due {
            self.lines.push(prefix);
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => return self.pop_style(),
            TagEnd::Link | TagEnd::Image => {
                self.pop_style();
                if let Some(url) = self.link.take()
                    && self.spans.last().is_none_or(|s| s.content != url.as_str())
                    && !url.is_empty()
                {
                    let style = Style::new().fg(self.theme.faint);
                    self.text(&format!(" ({url})"), style);
                }
                return;
            }
            TagEnd::TableCell => return,
            TagEnd::CodeBlock => {
                if let Some((language, body)) = self.code.take() {
                    self.code_block(&language, &body);
                }
            }
            TagEnd::Table => {
                if let Some(t) = self.table.take() {
                    let room = self.width.saturating_sub(self.prefix_width()).max(1);
                    for line in t.lines(room, self.theme) {
                        self.emit(line);
                    }
                }
            }
            TagEnd::TableHead => self.pop_style(),
            _ => self.flush(),
        }
        match tag {
            TagEnd::Heading(_) => {
                self.pop_style();
                self.pop_style();
            }
            TagEnd::BlockQuote(_) => {
                self.prefix.pop();
                self.pop_style();
            }
            TagEnd::List(_) => {
                self.lists.pop();
            }
            TagEnd::Item => {
                if self.marker.is_some() {
                    self.emit(Line::default()); // an item that is still empty
                }
                self.prefix.pop();
            }
            _ => {}
        }
        self.depth = self.depth.saturating_sub(1);
    }

    fn code_block(&mut self, language: &str, body: &str) {
        let room = self.width.saturating_sub(self.prefix_width()).max(1);
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
mod tests {
    use super::*;

    fn plain(source: &str, width: usize) -> Vec<String> {
        let lines = render(source, width, &Theme::default());
        lines
            .iter()
            .map(|l| l.to_string().trim_end().to_owned())
            .collect()
    }

    #[test]
    fn blocks_lists_and_tables() {
        assert_eq!(
            plain("# Title\ntext *it* **b**\n\nmore", 40),
            ["Title", "", "text it b", "", "more"]
        );
        assert_eq!(
            plain("- one\n- two words\n  - deep\n1. x", 8),
            ["• one", "• two", "  words", "  ◦ deep", "", "1. x"]
        );
        assert_eq!(plain("- a\n\n  b\n- c", 20), ["• a", "", "  b", "• c"]);
        assert_eq!(plain("> q w", 5), ["▎ q w"]);
        let table = plain("| a | bb |\n|---|---:|\n| 1 | 2 |", 40);
        assert_eq!(table, ["a  bb", "─────", "1   2"]);
    }

    #[test]
    fn code_keeps_its_spaces_and_lines_fit() {
        let lines = render(
            "```rust\nfn main() {\n    let x = 1;\n}\n```",
            20,
            &Theme::default(),
        );
        assert_eq!(lines[1].to_string().trim_end(), "     let x = 1;");
        assert!(lines.iter().all(|l| wrap::line_width(l) <= 20));
    }
}
