//! One cell for what a terminal moves its cursor by.
//!
//! A cluster such as `क` with a spacing vowel sign counts as one glyph of two cells here, but a
//! terminal writes it as two characters of one cell each. Drawing over its first cell alone would
//! leave the second one standing. And a mark before its base, such as `\u{8e2}`, would be written
//! onto whatever stands to the left.

use ratatui::buffer::Buffer;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Splits clusters whose marks take cells of their own over those cells; puts marks without a cell
/// behind their base.
pub(super) fn split(buf: &mut Buffer) {
    let width = usize::from(buf.area.width);
    for at in 0..buf.content.len() {
        let symbol = buf.content[at].symbol();
        if symbol.len() < 3 || symbol.chars().nth(1).is_none() {
            continue;
        }
        if let Some(symbol) = based(symbol) {
            buf.content[at].set_symbol(&symbol);
        }
        let symbol = buf.content[at].symbol();
        let first = symbol.chars().next().and_then(char::width).unwrap_or(0);
        // Real emoji sequences are as wide as their first character.
        if first == 0 || symbol.width() <= first {
            continue;
        }
        let (symbol, style) = (symbol.to_owned(), buf.content[at].style());
        let row_end = (at / width + 1) * width;
        let mut here = at;
        let mut piece = String::new();
        let mut taken = 0;
        for c in symbol.chars() {
            let cells = c.width().unwrap_or(0);
            if cells > 0 && !piece.is_empty() {
                put(buf, here, row_end, &piece, style);
                here += taken;
                piece.clear();
                taken = 0;
            }
            piece.push(c);
            taken += cells;
        }
        put(buf, here, row_end, &piece, style);
    }
}

/// The cluster with its first character that takes a cell in front; `None` where it is there already.
fn based(symbol: &str) -> Option<String> {
    let wide = |c: char| c.width().unwrap_or(0) > 0;
    let (at, base) = symbol.char_indices().find(|&(_, c)| wide(c))?;
    let (marks, rest) = (&symbol[..at], &symbol[at + base.len_utf8()..]);
    (at > 0).then(|| format!("{base}{marks}{rest}"))
}

fn put(buf: &mut Buffer, at: usize, row_end: usize, piece: &str, style: ratatui::style::Style) {
    if at < row_end
        && let Some(cell) = buf.content.get_mut(at)
    {
        cell.set_symbol(piece).set_style(style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ratatui::backend::CrosstermBackend;
    use ratatui::layout::Rect;
    use ratatui::text::Line;
    use ratatui::widgets::Widget;
    use ratatui::{Terminal, TerminalOptions, Viewport};

    use crate::tui::text::safe;

    /// What a terminal shows after these frames of one row.
    fn shown(frames: &[String]) -> String {
        let mut out = Vec::new();
        let options = TerminalOptions {
            viewport: Viewport::Fixed(Rect::new(0, 0, 40, 1)),
        };
        let mut terminal =
            Terminal::with_options(CrosstermBackend::new(&mut out), options).unwrap();
        for text in frames {
            let draw = |f: &mut ratatui::Frame| {
                let line = Line::from(safe::one_line(text));
                line.render(f.area(), f.buffer_mut());
                split(f.buffer_mut());
            };
            terminal.draw(draw).unwrap();
        }
        drop(terminal);
        let mut parser = vt100::Parser::new(1, 40, 0);
        parser.process(&out);
        parser.screen().contents().trim_end().to_owned()
    }

    fn glyph() -> impl Strategy<Value = char> {
        prop_oneof![
            Just('a'),
            Just(' '),
            prop::char::range('\u{300}', '\u{a00}'),
            prop::char::range('\u{4e00}', '\u{4e80}'),
            prop::char::range('\u{1f300}', '\u{1f5ff}'),
            Just('\u{8e2}'),
        ]
    }

    /// `U+08E2` and others stand before what they belong to and take no cell.
    #[test]
    fn marks_before_their_base_stay_in_its_cell() {
        for mark in [
            '\u{605}',
            '\u{70f}',
            '\u{890}',
            '\u{8e2}',
            '\u{d4e}',
            '\u{110bd}',
        ] {
            for text in ["a", " ", "漢", "\u{93e}", "ab", "\u{8e2}a"] {
                let now = [format!("{mark}{text}"), format!("x{mark}{text}")];
                for now in now {
                    let frames = ["abcdef".to_owned(), now];
                    assert_eq!(shown(&frames), shown(&frames[1..]), "{:?}", frames[1]);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_frame_leaves_nothing_of_the_one_before(
            frames in prop::collection::vec(prop::collection::vec(glyph(), 1..8), 2..4)
        ) {
            let frames: Vec<String> = frames.iter().map(|f| f.iter().collect()).collect();
            prop_assert_eq!(shown(&frames), shown(&frames[frames.len() - 1..]));
        }
    }
}
