//! The conversation's tokens as pieces that can be drawn.

use unicode_segmentation::UnicodeSegmentation;

use crate::tui::text::{safe, wrap};

/// A stretch of one token within one line of the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub token: usize,
    /// Bytes of `TokenText::text`.
    pub start: u32,
    pub end: u32,
    /// Cells; more than the line has room for is cut by the reader.
    pub width: u16,
    /// The line ends here.
    pub newline: bool,
}

/// Safe text of every token in one string, cut where lines end. Made once, laid out at any width.
#[derive(Clone, Debug, Default)]
pub struct TokenText {
    text: String,
    pieces: Vec<Piece>,
    tokens: usize,
}

/// Longest piece in cells: a token of megabytes is drawn in several.
const PIECE: usize = 16;

impl TokenText {
    pub fn new(tokens: &[String]) -> TokenText {
        let mut out = TokenText {
            tokens: tokens.len(),
            ..TokenText::default()
        };
        for (token, raw) in tokens.iter().enumerate() {
            out.token(token, &safe::visible(raw));
        }
        out
    }

    fn token(&mut self, token: usize, safe: &str) {
        let (mut start, mut width) = (self.text.len(), 0);
        for cluster in safe.graphemes(true) {
            let newline = cluster == "\n" || cluster == "\r\n";
            let w = wrap::width(cluster);
            if newline {
                self.text.push('↵');
                self.piece(token, start, width + 1, true);
                (start, width) = (self.text.len(), 0);
                continue;
            }
            if width > 0 && width + w > PIECE {
                self.piece(token, start, width, false);
                (start, width) = (self.text.len(), 0);
            }
            self.text.push_str(cluster);
            width += w;
        }
        if width > 0 {
            self.piece(token, start, width, false);
        }
    }

    fn piece(&mut self, token: usize, start: usize, width: usize, newline: bool) {
        let at = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        self.pieces.push(Piece {
            token,
            start: at(start),
            end: at(self.text.len()),
            width: u16::try_from(width).unwrap_or(u16::MAX),
            newline,
        });
    }

    pub fn tokens(&self) -> usize {
        self.tokens
    }

    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub fn str(&self, piece: &Piece) -> &str {
        self.text
            .get(piece.start as usize..piece.end as usize)
            .unwrap_or("")
    }

    /// Where the lines of `cells` begin and end, as ranges of pieces.
    pub fn lines(&self, cells: u16) -> Vec<std::ops::Range<usize>> {
        let cells = u32::from(cells.max(1));
        let mut lines = Vec::new();
        let (mut start, mut used) = (0, 0u32);
        for (i, piece) in self.pieces.iter().enumerate() {
            // A line end hangs over the edge rather than taking a line of its own.
            let width = u32::from(piece.width) - u32::from(piece.newline && piece.width > 0);
            if used + width > cells && i > start {
                lines.push(start..i);
                (start, used) = (i, 0);
            }
            used += width;
            if piece.newline {
                lines.push(start..i + 1);
                (start, used) = (i + 1, 0);
            }
        }
        if start < self.pieces.len() {
            lines.push(start..self.pieces.len());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(tokens: &[&str], cells: u16) -> Vec<String> {
        let owned: Vec<String> = tokens.iter().map(|t| t.to_string()).collect();
        let text = TokenText::new(&owned);
        let line =
            |r: std::ops::Range<usize>| text.pieces()[r].iter().map(|p| text.str(p)).collect();
        text.lines(cells).into_iter().map(line).collect()
    }

    #[test]
    fn tokens_wrap_whole_and_lines_end_where_they_ended() {
        assert_eq!(
            lines(&["Either", " party", " may", " end\n\n", "it"], 12),
            ["Either party", " may end↵", "↵", "it"]
        );
        assert_eq!(lines(&["日本", "語"], 5), ["日本", "語"]);
    }

    #[test]
    fn escape_sequences_in_tokens_are_shown() {
        assert_eq!(lines(&["\x1b[31m", "red"], 20), ["␛[31mred"]);
    }
}
