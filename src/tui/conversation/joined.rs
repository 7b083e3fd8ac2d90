//! The lines of an entry as one text, to be searched.

use std::ops::Range;

use ratatui::text::Line;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

use crate::tui::text::wrap;

/// What an entry says, in lower case and without its label: where its lines were wrapped, it goes on.
#[derive(Default)]
pub(super) struct Joined {
    text: String,
    /// Lines that say something, and their bytes of the text.
    lines: Vec<(usize, Range<usize>)>,
}

impl Joined {
    pub(super) fn of(lines: &[Line<'_>]) -> Joined {
        let mut joined = Joined::default();
        for (at, line) in lines.iter().enumerate() {
            let said = said(line).1.to_lowercase();
            if said.is_empty() {
                continue;
            }
            if !joined.text.is_empty() && !inside_a_word(&joined.text, &said) {
                joined.text.push(' ');
            }
            let from = joined.text.len();
            joined.text.push_str(&said);
            joined.lines.push((at, from..joined.text.len()));
        }
        joined
    }

    /// The places of a text in lower case.
    pub(super) fn places(&self, query: &str) -> impl Iterator<Item = Range<usize>> {
        let found = self.text.match_indices(query);
        found.map(|(at, text)| at..at + text.len())
    }

    /// The line that a place begins on.
    pub(super) fn line(&self, place: &Range<usize>) -> usize {
        let lines = self.behind(place.start);
        lines.first().map_or(0, |(line, _)| *line)
    }

    /// The lines that a place is on, and which bytes of what they say it takes.
    pub(super) fn parts(
        &self,
        place: &Range<usize>,
    ) -> impl Iterator<Item = (usize, Range<usize>)> {
        let (start, end) = (place.start, place.end);
        let lines = self.behind(start).iter();
        lines
            .take_while(move |(_, bytes)| bytes.start < end)
            .map(move |(line, bytes)| {
                let from = start.max(bytes.start) - bytes.start;
                (*line, from..end.min(bytes.end) - bytes.start)
            })
    }

    /// The lines but those that end before a byte.
    fn behind(&self, byte: usize) -> &[(usize, Range<usize>)] {
        let before = |line: &(usize, Range<usize>)| line.1.end <= byte;
        &self.lines[self.lines.partition_point(before)..]
    }
}

/// The cells of a line that bytes of what it says in lower case take.
pub(super) fn cells(line: &Line<'_>, bytes: Range<usize>) -> Range<usize> {
    let (mut cell, text) = said(line);
    let (mut first, mut at) = (cell, 0);
    for cluster in text.graphemes(true) {
        if at >= bytes.end {
            break;
        }
        at += cluster.to_lowercase().len();
        cell += wrap::width(cluster);
        if at <= bytes.start {
            first = cell;
        }
    }
    first..cell
}

/// Where what a line says begins, in cells, and what that is.
fn said(line: &Line<'_>) -> (usize, String) {
    let (mut before, mut text) = (0, String::new());
    for (i, span) in line.spans.iter().enumerate() {
        let content = span.content.as_ref();
        // First comes the label or the room below it; a bar runs beside a quotation and a thought.
        let bar = text.trim_matches(' ').is_empty() && matches!(content, "▎ " | "│ ");
        match i == 0 || bar {
            true => before += wrap::width(content),
            false => text.push_str(content),
        }
    }
    let text = text.trim_end();
    let start = text.trim_start_matches(' ');
    (before + text.len() - start.len(), start.to_owned())
}

/// A text goes on in a line below without a space: it was wrapped behind a hyphen or a slash, or
/// between wide characters.
fn inside_a_word(text: &str, line: &str) -> bool {
    let wide = |c: char| c.width().is_some_and(|cells| cells > 1);
    let mut back = text.chars().rev();
    match (back.next(), back.next(), line.chars().next()) {
        (Some('-' | '—' | '/'), Some(before), _) => before != ' ',
        (Some(last), _, Some(first)) => wide(last) && wide(first),
        _ => false,
    }
}
