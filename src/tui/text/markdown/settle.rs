//! Where a text is final while it is read.

use std::ops::Range;

use pulldown_cmark::{Event, Tag, TagEnd};

use super::renderer::{Renderer, Settled};
use crate::tui::text::{fence::Fence, table};

impl Renderer<'_> {
    /// The skeleton's containers are open in the place: they may just end before the text begins.
    pub(super) fn skeleton(&mut self, event: Event<'_>, open: &mut usize) {
        match event {
            Event::Start(Tag::BlockQuote(_) | Tag::List(_) | Tag::Item) => *open += 1,
            Event::End(end @ (TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Item)) => {
                // The last item of a list that goes on has ended long ago.
                if *open < self.place.frames.len() {
                    self.end(end);
                }
                *open = open.saturating_sub(1);
            }
            Event::End(TagEnd::Table) => self.end(TagEnd::Table),
            _ => {}
        }
    }

    /// Takes note of the place where all before is final: a block begins on a line that is whole
    /// (half a line may turn out to continue the block before: `2` → `2. next item`).
    pub(super) fn settle(&mut self, event: &Event<'_>, range: &Range<usize>) {
        let settled_table = self.place.table.as_ref().is_some_and(table::Table::settled);
        let block = match event {
            Event::Start(
                Tag::Emphasis
                | Tag::Strong
                | Tag::Strikethrough
                | Tag::Link { .. }
                | Tag::Image { .. }
                | Tag::TableHead
                | Tag::TableCell,
            ) => false,
            Event::Start(Tag::TableRow) => settled_table,
            Event::Start(_) | Event::Rule => true,
            _ => false,
        };
        if !block {
            return;
        }
        let line = self.text[..range.start].rfind('\n').map_or(0, |at| at + 1);
        if line <= self.line || line >= self.complete {
            return;
        }
        self.line = line;
        if !settled_table {
            self.flush();
        }
        if self.place.can_resume() {
            self.settled = Some(Settled {
                bytes: line - self.start,
                lines: self.lines.len(),
                place: self.place.clone(),
                fence: None,
            });
        }
    }

    /// Takes note of a code block that begins, in case that it stays open.
    pub(super) fn settle_fence(&mut self, start: usize) {
        let Some(line) = self.text.get(start..) else {
            return;
        };
        let Some((line, _)) = line.split_once('\n') else {
            return;
        };
        let column = start - self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let end = start + line.len() + 1;
        if end > self.complete || !self.place.can_resume() {
            return;
        }
        if let Some(fence) = Fence::open(line, column, &self.place) {
            self.settled = Some(Settled {
                bytes: end - self.start,
                lines: self.lines.len(),
                place: self.place.clone(),
                fence: Some(Box::new(fence)),
            });
        }
    }
}
