//! The conversation's text, every token coloured by where it is: how many heads hold it in the cache,
//! in the archive only, or nowhere.

mod held;
mod legend;
mod lines;
mod strip;

use std::cell::Cell;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use self::held::{Place, place, style};
pub use self::legend::summary;
use self::legend::{figures, legend};
use self::lines::{View, line_of, moved, token_at};
use self::strip::strip;
use super::pen::Pen;
use crate::tui::observed::Observed;
use crate::tui::theme::Depth;

/// The token under the cursor.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    /// `None` follows the conversation's end.
    cursor: Option<usize>,
    /// Columns and lines of the text as last drawn, for the keys that move over it.
    drawn: Cell<(u16, u16)>,
}

pub fn wanted(o: &Observed, width: u16) -> u16 {
    if o.text.tokens() == 0 {
        return 3;
    }
    // Enough lines are counted when there are many: no need to lay a book out for that.
    let short = o.text.pieces().len() < 400;
    let lines = if short { o.text.lines(width).len() } else { 10 };
    lines.clamp(2, 10) as u16 + 2
}

impl Tokens {
    fn at(&self, o: &Observed) -> usize {
        let last = o.text.tokens().saturating_sub(1);
        self.cursor.map_or(last, |c| c.min(last))
    }

    fn view(&self, o: &Observed, width: u16, height: u16) -> View {
        // The last lines are for the legend and the figures of the cursor.
        let rows = match height {
            0..=2 => height,
            3..=5 => height - 1,
            _ => height - 2,
        };
        let lines = o.text.lines(width);
        let all = lines.len() <= usize::from(rows);
        let strip = u16::from(!all && rows >= 3 && !o.picture.holders.is_empty());
        let rows = rows - strip;
        let here = line_of(o, &lines, self.at(o));
        let last = lines.len().saturating_sub(usize::from(rows));
        let top = match self.cursor {
            None => last,
            Some(_) => here.saturating_sub(usize::from(rows) / 2).min(last),
        };
        View {
            lines,
            top,
            strip,
            rows,
        }
    }

    pub fn key(&mut self, key: KeyEvent, o: &Observed) -> bool {
        let tokens = o.text.tokens();
        if tokens == 0 {
            return false;
        }
        let at = self.at(o);
        let (width, rows) = self.drawn.get();
        let page = isize::try_from(rows.saturating_sub(1).max(1)).unwrap_or(1);
        let to = match key.code {
            KeyCode::Left => at.saturating_sub(1),
            KeyCode::Right => at + 1,
            KeyCode::Up => moved(o, width, at, -1),
            KeyCode::Down => moved(o, width, at, 1),
            KeyCode::PageUp => moved(o, width, at, -page),
            KeyCode::PageDown => moved(o, width, at, page),
            KeyCode::Home => 0,
            KeyCode::End => tokens,
            _ => return false,
        };
        self.cursor = (to + 1 < tokens).then_some(to);
        true
    }

    /// Puts the cursor on the token under the pointer.
    pub fn click(&mut self, area: Rect, column: u16, row: u16, o: &Observed) {
        let local = (column.checked_sub(area.x), row.checked_sub(area.y));
        let (Some(x), Some(y)) = local else { return };
        let view = self.view(o, area.width, area.height);
        if y < view.strip {
            let tokens = o.text.tokens();
            self.cursor = Some(usize::from(x) * tokens / usize::from(area.width.max(1)));
        } else if y < view.strip + view.rows
            && let Some(line) = view.lines.get(view.top + usize::from(y - view.strip))
            && let Some(token) = token_at(o, line.clone(), x)
        {
            self.cursor = Some(token);
        }
    }

    pub fn render(&self, o: &Observed, pen: &mut Pen) {
        let t = pen.theme();
        if o.text.tokens() == 0 {
            return pen.placeholder(
                "The text as the model sees it, token by token, appears with the first answer.",
            );
        }
        let (width, height) = (pen.width(), pen.height());
        let view = self.view(o, width, height);
        self.drawn.set((width, view.rows));
        let cursor = pen.look().focused.then(|| self.at(o));
        // For terminals that may know neither colours nor attributes.
        let dots = pen.look().ascii && t.depth == Depth::None;
        if view.strip > 0 {
            strip(o, &view, pen);
        }
        let end = view.strip + view.rows;
        for (y, line) in (view.strip..end).zip(view.lines.iter().skip(view.top)) {
            let mut x = 0;
            for piece in o.text.pieces().get(line.clone()).unwrap_or(&[]) {
                let place = place(o, piece.token);
                let mut style = style(place, t);
                if cursor == Some(piece.token) {
                    style = style.add_modifier(Modifier::REVERSED | Modifier::BOLD);
                }
                let text = o.text.str(piece);
                x = match place {
                    Place::Gone if dots => {
                        pen.text(x, y, &".".repeat(usize::from(piece.width)), style)
                    }
                    Place::Archive if dots => pen.text(x, y, &text.replace(' ', "_"), style),
                    _ => pen.text(x, y, text, style),
                };
            }
        }
        let mut y = end;
        if y < height {
            legend(o, y, pen);
            y += 1;
        }
        if y < height {
            pen.fitting(y, &figures(o, self.at(o), cursor.is_some(), t));
        }
    }
}
