//! The input's text on rows of cells.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::element::{Elements, fitted, is_mark};
use crate::tui::text::{safe, wrap};

/// One piece of a row: its place in the text and what is drawn for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Byte offset in the text.
    pub at: usize,
    pub shown: String,
    pub element: bool,
    pub width: usize,
}

/// One row of the input: pieces and the byte range `start..end` that it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub start: usize,
    pub end: usize,
    pub pieces: Vec<Piece>,
}

impl Row {
    /// Column of a byte offset in this row.
    pub fn column(&self, at: usize) -> usize {
        self.pieces
            .iter()
            .take_while(|p| p.at < at)
            .map(|p| p.width)
            .sum()
    }

    /// The byte offset nearest to a column.
    pub fn offset(&self, column: usize) -> usize {
        let mut x = 0;
        for p in &self.pieces {
            if x + p.width > column {
                return p.at;
            }
            x += p.width;
        }
        self.end
    }
}

/// Wraps the input to `cells` columns (at least 2) and finds the caret's (row, column).
pub fn layout(
    text: &str,
    caret: usize,
    elements: &Elements,
    context: Option<usize>,
    cells: usize,
) -> (Vec<Row>, (usize, usize)) {
    let cells = cells.max(2);
    let mut rows = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        let pieces = pieces(line, start, elements, context, cells);
        let ranges = wrap::breaks(
            pieces.len(),
            cells,
            |i| pieces[i].width,
            |_| false,
            |i| pieces[i].shown == " " || pieces[i].element,
        );
        let last = ranges.len() - 1;
        for (i, r) in ranges.into_iter().enumerate() {
            let from = pieces.get(r.start).map_or(start, |p| p.at);
            let to = match i == last {
                true => start + line.len(),
                false => pieces.get(r.end).map_or(start + line.len(), |p| p.at),
            };
            rows.push(Row {
                start: from,
                end: to,
                pieces: pieces[r].to_vec(),
            });
        }
        start += line.len() + 1;
    }
    let row = rows.iter().rposition(|r| r.start <= caret).unwrap_or(0);
    let mut place = (row, rows[row].column(caret));
    if place.1 >= cells {
        // The caret after a full row stands on the next one.
        if rows.get(row + 1).is_none() || rows[row + 1].start > caret {
            let end = rows[row].end;
            rows.insert(
                row + 1,
                Row {
                    start: end,
                    end,
                    pieces: Vec::new(),
                },
            );
        }
        place = (row + 1, 0);
    }
    (rows, place)
}

fn pieces(
    line: &str,
    start: usize,
    elements: &Elements,
    context: Option<usize>,
    cells: usize,
) -> Vec<Piece> {
    let mut out = Vec::new();
    for (at, g) in line.grapheme_indices(true) {
        let mut rest = g;
        let mut at = start + at;
        if let Some(mark) = g.chars().next().filter(|&c| is_mark(c)) {
            let shown = match elements.get(mark) {
                Some(e) => fitted(&safe::one_line(&e.label(context)), cells),
                None => "\u{fffd}".to_owned(),
            };
            out.push(Piece {
                at,
                width: wrap::width(&shown),
                shown,
                element: true,
            });
            rest = &g[mark.len_utf8()..];
            at += mark.len_utf8();
        }
        if !rest.is_empty() {
            let shown = safe::one_line(rest);
            let width = wrap::width(&shown);
            out.push(Piece {
                at,
                shown,
                element: false,
                width,
            });
        }
    }
    for p in &mut out {
        if p.width > cells {
            p.shown = wrap::truncate(&p.shown, cells);
            p.width = p.shown.width();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rows: &[Row]) -> Vec<String> {
        rows.iter()
            .map(|r| r.pieces.iter().map(|p| p.shown.as_str()).collect())
            .collect()
    }

    #[test]
    fn wraps_and_places_the_caret() {
        let e = Elements::default();
        let (rows, caret) = layout("ask me\n日本語", 6, &e, None, 5);
        assert_eq!(shown(&rows), ["ask ", "me", "日本", "語"]);
        assert_eq!(caret, (1, 2));
        let (_, caret) = layout("abcde", 5, &e, None, 5);
        assert_eq!(caret, (1, 0));
        let (rows, caret) = layout("", 0, &e, None, 5);
        assert_eq!((rows.len(), caret), (1, (0, 0)));
    }
}
