//! Markdown → styled lines of a given width.

mod events;
mod renderer;
mod settle;

use std::borrow::Cow;

use pulldown_cmark::{Event, Options, Parser, TextMergeWithOffset};
use ratatui::text::Line;

use self::renderer::{Renderer, Settled};
use super::literal;
use super::place::Place;
use crate::tui::theme::Theme;

fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH
}

/// Lays a whole text out; blocks are one empty line apart.
pub fn render(source: &str, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let marked = literal::mark(source);
    Rendered::lay_out(&marked, Place::default(), width, theme).lines
}

/// A text, laid out where it stands.
pub struct Rendered {
    pub lines: Vec<Line<'static>>,
    /// The last place before which all is final.
    pub settled: Option<Settled>,
}

impl Rendered {
    /// Lays out what stands at a place; `marked` comes from `literal::mark`.
    pub fn lay_out(marked: &str, place: Place, width: usize, theme: &Theme) -> Rendered {
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
        let events = Parser::new_ext(&text, options()).into_offset_iter();
        for (event, range) in TextMergeWithOffset::new(events) {
            r.begun |= range.start >= r.start && !matches!(event, Event::End(_));
            if r.begun {
                r.settle(&event, &range);
                r.event(event, range);
            } else {
                r.skeleton(event, &mut open);
            }
        }
        r.flush();
        Rendered {
            lines: r.lines,
            settled: r.settled,
        }
    }
}

#[cfg(test)]
mod tests;
