//! A place between two blocks of a Markdown text: the containers that are open there, so that what
//! follows can be read without what came before.

use pulldown_cmark::Alignment;
use ratatui::text::{Line, Span};

use super::table::Table;
use crate::tui::theme::Theme;

/// What a text is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    Paragraph,
    Heading,
    Code,
    Rule,
    Table,
    Html,
    Quote,
    List,
    Item,
}

/// An open container.
#[derive(Clone, Debug)]
pub enum Kind {
    Root,
    Quote,
    List {
        /// Number of the next item.
        next: Option<u64>,
    },
    Item {
        /// Drawn before the first line, then taken.
        marker: Option<String>,
        indent: usize,
        /// Column of its content in the text.
        content: usize,
    },
}

#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: Kind,
    /// The last block in it that has lines.
    pub last: Option<Block>,
    /// A line that opens the same container again; a list's is that of its last item. `None` where
    /// there is none.
    pub head: Option<String>,
    /// Of an item (of a list: of its last one): it has an empty line inside.
    pub airy: bool,
}

impl Frame {
    pub fn new(kind: Kind, head: Option<String>) -> Frame {
        Frame {
            kind,
            last: None,
            head,
            airy: false,
        }
    }

    fn block(&self) -> Block {
        match self.kind {
            Kind::Quote => Block::Quote,
            Kind::List { .. } => Block::List,
            Kind::Item { .. } => Block::Item,
            Kind::Root => Block::Paragraph,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Place {
    pub frames: Vec<Frame>,
    /// An empty line is due before the next line: that of the container at this depth.
    owed: Option<usize>,
    /// A table whose columns are settled goes on here.
    pub table: Option<Table>,
}

impl Default for Place {
    fn default() -> Self {
        Place {
            frames: vec![Frame::new(Kind::Root, None)],
            owed: None,
            table: None,
        }
    }
}

impl Place {
    pub fn list_depth(&self) -> usize {
        let lists = self.frames.iter();
        lists
            .filter(|f| matches!(f.kind, Kind::List { .. }))
            .count()
    }

    /// A block begins: whether it stands apart from the one before. Tight and loose lists look
    /// alike, since a list that is still open may become loose at its very end.
    pub fn begin(&mut self, next: Block) {
        let Some(frame) = self.frames.last() else {
            return;
        };
        let apart = frame.last.is_some()
            && match frame.kind {
                Kind::Root | Kind::Quote => true,
                Kind::List { .. } => frame.airy,
                Kind::Item { .. } => !matches!(next, Block::Code | Block::List),
            };
        if apart {
            self.owed = Some(self.frames.len() - 1);
        }
    }

    /// Cells that containers draw before a line.
    pub fn indent(&self, width: usize) -> usize {
        let frames = self.frames.iter();
        frames.fold(0, |used, frame| used + drawn(&frame.kind, used, width))
    }

    /// A line on its way out: with what its containers draw before it, and the empty line that is
    /// due.
    pub fn line(
        &mut self,
        line: Line<'static>,
        leaf: Block,
        width: usize,
        theme: &Theme,
        out: &mut Vec<Line<'static>>,
    ) {
        if let Some(depth) = self.owed.take() {
            for frame in self.frames.iter_mut().take(depth + 1) {
                frame.airy |= matches!(frame.kind, Kind::Item { .. });
            }
            out.push(Line::from(self.prefix(depth + 1, width, theme)));
        }
        let mut spans = self.prefix(self.frames.len(), width, theme);
        spans.extend(line.spans);
        out.push(Line::from(spans));
        let mut inner = leaf;
        for frame in self.frames.iter_mut().rev() {
            frame.last = Some(inner);
            inner = frame.block();
            if let Kind::Item { marker, .. } = &mut frame.kind {
                *marker = None;
            }
        }
    }

    fn prefix(&self, depth: usize, width: usize, theme: &Theme) -> Vec<Span<'static>> {
        let (mut spans, mut used) = (Vec::new(), 0);
        for frame in self.frames.iter().take(depth) {
            let cells = drawn(&frame.kind, used, width);
            used += cells;
            match &frame.kind {
                _ if cells == 0 => {}
                Kind::Quote => spans.push(Span::styled("▎ ", theme.quote)),
                Kind::Item {
                    marker: Some(marker),
                    ..
                } if depth == self.frames.len() => {
                    spans.push(Span::styled(marker.clone(), theme.accent));
                }
                _ => spans.push(Span::raw(" ".repeat(cells))),
            }
        }
        spans
    }

    /// A text can go on here without what came before.
    pub fn can_resume(&self) -> bool {
        let open = |f: &Frame| matches!(f.kind, Kind::Root | Kind::List { .. }) || f.head.is_some();
        self.frames.iter().all(open)
            && self
                .frames
                .last()
                .is_some_and(|f| !matches!(f.kind, Kind::List { .. }) || f.head.is_some())
            && self.table.as_ref().is_none_or(|t| t.head.is_some())
    }

    /// Text that opens the same containers again.
    pub fn skeleton(&self) -> String {
        let mut out = String::new();
        for (i, frame) in self.frames.iter().enumerate() {
            let list = matches!(frame.kind, Kind::List { .. });
            if !list || i + 1 == self.frames.len() {
                out.push_str(frame.head.as_deref().unwrap_or(""));
            }
        }
        if let Some(table) = &self.table {
            out.push_str(table.head.as_deref().unwrap_or(""));
        }
        out
    }
}

/// Cells that a container draws; none where the text would have too little room.
fn drawn(kind: &Kind, used: usize, width: usize) -> usize {
    let cells = match kind {
        Kind::Quote => 2,
        Kind::Item { indent, .. } => *indent,
        Kind::Root | Kind::List { .. } => 0,
    };
    if used + cells <= width * 2 / 3 {
        cells
    } else {
        0
    }
}

/// What stands before a block in its line, with the signs of lists blanked out.
fn before(text: &str, at: usize) -> Option<(usize, String)> {
    let line = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let prefix = &text[line..at];
    if !prefix.is_ascii() || prefix.contains('\t') {
        return None;
    }
    let blank = |c: char| if c == '>' { '>' } else { ' ' };
    Some((prefix.len(), prefix.chars().map(blank).collect()))
}

fn skip_spaces(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or("");
    at + rest.len() - rest.trim_start_matches(' ').len()
}

/// A quotation that begins at `at`: the line that opens it again.
pub fn quote_head(text: &str, at: usize) -> Option<String> {
    let (_, prefix) = before(text, skip_spaces(text, at))?;
    Some(format!("{prefix}> # x\n"))
}

/// An item that begins at `at`: the line that opens it again, and the column of its content.
pub fn item_head(text: &str, at: usize) -> (Option<String>, usize) {
    let at = skip_spaces(text, at);
    let line = text.get(at..).unwrap_or("");
    let line = line.split('\n').next().unwrap_or("");
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let Some((column, prefix)) = before(text, at).filter(|_| line.len() > digits) else {
        return (None, 0);
    };
    let Some((sign, rest)) = line.split_at_checked(digits + 1) else {
        return (None, 0);
    };
    let spaces = rest.len() - rest.trim_start_matches(' ').len();
    let spaces = if rest.trim().is_empty() || spaces > 4 {
        1
    } else {
        spaces.max(1)
    };
    let head = format!("{prefix}{sign}{}# x\n", " ".repeat(spaces));
    let head = (!rest.starts_with('\t')).then_some(head);
    (head, column + sign.len() + spaces)
}

/// A table that begins at `at`: two lines that open one with the same columns.
pub fn table_head(text: &str, at: usize, alignments: &[Alignment]) -> Option<String> {
    let (_, prefix) = before(text, skip_spaces(text, at))?;
    let names = "x|".repeat(alignments.len());
    let rule = "-|".repeat(alignments.len());
    Some(format!("{prefix}|{names}\n{prefix}|{rule}\n"))
}
