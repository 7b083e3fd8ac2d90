//! Glyphs in the order they are drawn → lines and paragraphs, by where they stand.

use hayro_interpret::font::{Glyph, GlyphRun};
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::kurbo::{Affine, BezPath, Point, Vec2};
use hayro_interpret::{
    BlendMode, ClipPath, Device, DrawMode, DrawProps, Image, ImageDrawProps, SoftMask,
};

use crate::document::converted::TEXT_LIMIT;

/// A glyph's text space has a thousand units to the em.
const EM: f64 = 1000.0;
/// In ems: a gap that is a space, one that sets columns apart, a step that is another line, one
/// that is another paragraph.
const SPACE: f64 = 0.17;
const COLUMN: f64 = 2.0;
const LINE: f64 = 0.45;
const PARAGRAPH: f64 = 1.75;

/// Where the last glyph stood.
#[derive(Clone, Copy)]
struct Last {
    start: Point,
    end: Point,
    /// Along the line, of length 1.
    along: Vec2,
    /// The em's length on the page.
    em: f64,
}

/// Collects the text of one page.
#[derive(Default)]
pub(super) struct Lines {
    out: String,
    last: Option<Last>,
    /// Start and text of the last run: bold and outlined text is drawn twice.
    run: Option<(Point, String)>,
    /// Glyphs that say what they are, white space aside, and those that do not.
    pub letters: usize,
    pub unknown: usize,
}

impl Lines {
    /// The page's text; hyphens that were only put in for the line's end are taken out.
    pub fn text(self) -> String {
        let text = self.out.replace("\u{ad}\n", "");
        text.lines()
            .map(str::trim_end)
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn glyph(&mut self, text: &str, place: Affine, advance: Option<f64>) {
        let start = place * Point::ZERO;
        let em = place * Point::new(EM, 0.0) - start;
        let length = em.hypot();
        if !start.is_finite() || !length.is_finite() || length <= 0.0 {
            return;
        }
        let along = em / length;
        // Half an em where the font does not say.
        let end = start + em * (advance.unwrap_or(EM / 2.0) / EM);
        if let Some(last) = self.last {
            let unit = last.em.max(length);
            let step = start - last.start;
            let across = step.cross(last.along).abs() / unit;
            let gap = (start - last.end).dot(last.along) / unit;
            let turned = along.dot(last.along) < 0.9;
            if across > LINE || turned || gap < -1.5 {
                let paragraph = across > PARAGRAPH || turned;
                self.newline(paragraph);
            } else if !self.out.ends_with(char::is_whitespace) && !text.starts_with(' ') {
                if gap > COLUMN {
                    self.out.push_str("  ");
                } else if gap > SPACE {
                    self.out.push(' ');
                }
            }
        }
        self.last = Some(Last {
            start,
            end,
            along,
            em: length,
        });
        if self.out.len() > TEXT_LIMIT {
            return;
        }
        for c in text.chars() {
            self.letters += usize::from(!c.is_whitespace());
            match c {
                '\u{fb00}' => self.out.push_str("ff"),
                '\u{fb01}' => self.out.push_str("fi"),
                '\u{fb02}' => self.out.push_str("fl"),
                '\u{fb03}' => self.out.push_str("ffi"),
                '\u{fb04}' => self.out.push_str("ffl"),
                '\u{a0}' => self.out.push(' '),
                c if c.is_control() => self.out.push(' '),
                c => self.out.push(c),
            }
        }
    }

    fn newline(&mut self, paragraph: bool) {
        while self.out.ends_with(' ') {
            self.out.pop();
        }
        let wanted = if paragraph { 2 } else { 1 };
        let there = self.out.len() - self.out.trim_end_matches('\n').len();
        if !self.out.is_empty() {
            for _ in there..wanted {
                self.out.push('\n');
            }
        }
    }
}

impl<'a> Device<'a> for Lines {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, _: &DrawMode) {
        let glyphs = run.glyphs();
        let texts: Vec<Option<String>> = glyphs
            .iter()
            .map(|glyph| match glyph.as_unicode() {
                Some(BfString::Char('\0')) | None => None,
                Some(BfString::Char(c)) => Some(c.to_string()),
                Some(BfString::String(s)) => Some(s),
            })
            .collect();
        let whole: String = texts.iter().flatten().map(String::as_str).collect();
        if let Some(first) = glyphs.first() {
            let place = props.transform * first.transform();
            let start = place * Point::ZERO;
            let em = (place * Point::new(EM, 0.0) - start).hypot();
            let again = self.run.as_ref().is_some_and(|(at, text)| {
                *text == whole && !whole.trim().is_empty() && (start - *at).hypot() < em * 0.2
            });
            if again {
                return;
            }
            self.run = Some((start, whole));
        }
        for (glyph, text) in glyphs.iter().zip(texts) {
            let advance = match &**glyph {
                Glyph::Outline(outline) => outline.advance_width(),
                Glyph::Type3(type3) => type3.advance_width(),
            };
            match text {
                Some(text) => {
                    let place = props.transform * glyph.transform();
                    self.glyph(&text, place, advance.map(f64::from));
                }
                None => self.unknown += 1,
            }
        }
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn draw_image(&mut self, _: Image<'a, '_>, _: ImageDrawProps<'a>) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}
