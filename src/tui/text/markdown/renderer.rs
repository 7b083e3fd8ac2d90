//! What the Markdown parser says becomes lines: styles, the block being collected, its room.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::tui::text::fence::Fence;
use crate::tui::text::place::{Block, Frame, Kind, Place};
use crate::tui::text::{table, wrap};
use crate::tui::theme::Theme;

/// A place in a text before which all is final.
pub struct Settled {
    /// Bytes of the text.
    pub bytes: usize,
    /// Lines of it.
    pub lines: usize,
    pub place: Place,
    /// Set where it is the first line in an open code block.
    pub fence: Option<Box<Fence>>,
}

/// Lines that are being made, and where in the text they stand.
pub struct Renderer<'t> {
    pub(super) theme: &'t Theme,
    pub(super) width: usize,
    pub(super) text: &'t str,
    /// Bytes of the skeleton.
    pub(super) start: usize,
    /// Where the last line begins that a block begins on.
    pub(super) line: usize,
    /// Bytes of whole lines.
    pub(super) complete: usize,
    pub(super) begun: bool,
    pub(super) place: Place,
    pub(super) settled: Option<Settled>,
    pub(super) lines: Vec<Line<'static>>,
    /// The block that is being collected, and its text.
    pub(super) leaf: Option<Block>,
    pub(super) spans: Vec<Span<'static>>,
    pub(super) styles: Vec<Style>,
    pub(super) code: Option<(String, String)>,
    /// Address and text of a link.
    pub(super) link: Option<(String, String)>,
}

impl<'t> Renderer<'t> {
    pub(super) fn new(place: Place, width: usize, theme: &'t Theme) -> Self {
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

    pub(super) fn style(&self) -> Style {
        self.styles.last().copied().unwrap_or_default()
    }

    pub(super) fn push_style(&mut self, f: impl FnOnce(Style) -> Style) {
        let style = f(self.style());
        self.styles.push(style);
    }

    pub(super) fn quote_style(&mut self) {
        let quote = self.theme.dim;
        self.push_style(|s| s.fg(quote).add_modifier(Modifier::ITALIC));
    }

    pub(super) fn pop_style(&mut self) {
        if self.styles.len() > 1 {
            self.styles.pop();
        }
    }

    pub(super) fn room(&self) -> usize {
        let indent = self.place.indent(self.width);
        self.width.saturating_sub(indent).max(1)
    }

    /// A block begins.
    pub(super) fn begin(&mut self, block: Block) {
        self.flush();
        self.place.begin(block);
        self.leaf = Some(block);
    }

    pub(super) fn open(&mut self, block: Block, kind: Kind, head: Option<String>) {
        self.begin(block);
        self.leaf = None;
        self.place.frames.push(Frame::new(kind, head));
    }

    pub(super) fn close(&mut self) -> Option<Frame> {
        self.flush();
        match self.place.frames.len() {
            0 | 1 => None,
            _ => self.place.frames.pop(),
        }
    }

    pub(super) fn text(&mut self, text: &str, style: Style) {
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

    /// A line has just been ended in the block or the cell.
    pub(super) fn broken(&self) -> bool {
        let last = match &self.place.table {
            Some(table) => table.last(),
            None => self.spans.last(),
        };
        last.is_some_and(table::is_break)
    }

    pub(super) fn emit(&mut self, line: Line<'static>) {
        let leaf = self.leaf.unwrap_or(Block::Paragraph);
        (self.place).line(line, leaf, self.width, self.theme, &mut self.lines);
    }

    /// Ends the block being collected.
    pub(super) fn flush(&mut self) {
        if !self.spans.is_empty() {
            let mut spans = std::mem::take(&mut self.spans);
            // A break at the end breaks nothing.
            while spans.last().is_some_and(table::is_break) {
                spans.pop();
            }
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
}
