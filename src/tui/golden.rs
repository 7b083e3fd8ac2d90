//! Golden pictures, for tests: each is stored once, as text, with its styles in every depth.
//!
//! A picture is drawn with all colours, with sixteen and with none. Its text stands there once, with
//! the rows that are other ones where there are fewer colours. A style is a letter; the legend says
//! what the letter is in each depth. So one row of letters stands for three rows of styles.

use std::collections::BTreeMap;
use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use super::theme::Depth;

/// The depths that every picture is drawn in.
pub const DEPTHS: [Depth; 3] = [Depth::True, Depth::Ansi16, Depth::None];

/// One picture in all depths.
pub type Picture = [Buffer; DEPTHS.len()];

/// What a cell's style is in all depths.
type Styles = [String; DEPTHS.len()];

/// Pictures under each other, with one legend for them all.
#[derive(Default)]
pub struct Sheet {
    out: String,
    legend: Vec<Styles>,
    /// Letters that the first of several sheets has told.
    told: usize,
    /// Texts that are stored already, and where.
    stored: BTreeMap<String, String>,
}

impl Sheet {
    /// A picture's text; `note` stands behind its title. Where a row is as in `base`, it is other with
    /// fewer colours as it is there, and that is not said again.
    pub fn text(&mut self, title: &str, note: &str, picture: &Picture, base: Option<&Picture>) {
        let [full, sixteen, none] = picture.each_ref().map(rows);
        let base = base.map(|base| base.each_ref().map(rows));
        let mut others = [const { String::new() }; 3];
        for (at, full) in full.iter().enumerate() {
            let known = base.as_ref().filter(|base| base[0][at] == *full);
            let [like16, like0] = known.map_or([full, full], |base| [&base[1][at], &base[2][at]]);
            let (row16, row0) = (&sixteen[at], &none[at]);
            let (is16, is0) = (row16 != like16, row0 != like0);
            if is16 && is0 && row16 == row0 {
                let _ = writeln!(others[0], "{at:>2} {row0}");
                continue;
            }
            for (other, is, row) in [(1, is16, row16), (2, is0, row0)] {
                if is {
                    let _ = writeln!(others[other], "{at:>2} {row}");
                }
            }
        }
        let mut body = format!("{note}\n{}\n", full.join("\n"));
        for (how, rows) in [
            "with 16 colours or none",
            "with 16 colours",
            "without colours",
        ]
        .iter()
        .zip(&others)
        .filter(|(_, rows)| !rows.is_empty())
        {
            let _ = write!(body, "── {how}\n{rows}");
        }
        let _ = match self.stored.get(&body) {
            Some(first) => writeln!(self.out, "── {title}: the text of {first}"),
            None => write!(self.out, "── {title}{body}"),
        };
        self.stored.entry(body).or_insert_with(|| title.to_owned());
    }

    /// A picture's styles: runs of cells, a line each; `=` is a line as in `base`, and lines like
    /// the one before are counted only.
    pub fn styles(&mut self, picture: &Picture, base: Option<&Picture>) {
        let mut lines: Vec<(usize, String)> = Vec::new();
        for row in 0..picture[0].area.height {
            let here = styles(picture, row);
            let line = match base.is_some_and(|base| styles(base, row) == here) {
                true => "=".to_owned(),
                false => self.runs(here),
            };
            match lines.last_mut() {
                Some((n, same)) if *same == line => *n += 1,
                _ => lines.push((1, line)),
            }
        }
        self.out.push_str("── styles\n");
        for (n, line) in lines {
            let _ = match n {
                1 => writeln!(self.out, "{line}"),
                n => writeln!(self.out, "{line}   × {n}"),
            };
        }
    }

    /// The pictures so far and what the letters mean (ink/ground, bold, dim, …; with all colours,
    /// with sixteen, with none). Sheets to come know the texts and the letters of this one, but
    /// letters that only a later one has are its own.
    pub fn finish(&mut self) -> String {
        let mut out = std::mem::take(&mut self.out);
        for (at, styles) in self.legend.iter().enumerate().skip(self.told) {
            if at == self.told {
                out.push_str("── legend\n");
            }
            let _ = writeln!(out, "{} {}", letter(at), styles.join(" | "));
        }
        if self.told == 0 {
            self.told = self.legend.len();
        }
        self.legend.truncate(self.told);
        out
    }

    fn runs(&mut self, row: Vec<Styles>) -> String {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for styles in row {
            let known = self.legend.iter().position(|s| *s == styles);
            let at = known.unwrap_or_else(|| {
                self.legend.push(styles);
                self.legend.len() - 1
            });
            match runs.last_mut() {
                Some((n, same)) if *same == at => *n += 1,
                _ => runs.push((1, at)),
            }
        }
        let runs = runs.iter().map(|&(n, at)| format!("{n}{}", letter(at)));
        runs.collect::<Vec<_>>().join(" ")
    }
}

/// The text of a buffer, line by line.
pub fn text(buf: &Buffer) -> String {
    rows(buf).join("\n")
}

fn rows(buf: &Buffer) -> Vec<String> {
    let row = |y| {
        let row = (buf.area.left()..buf.area.right()).map(|x| buf[(x, y)].symbol());
        row.collect::<String>().trim_end().to_owned()
    };
    (buf.area.top()..buf.area.bottom()).map(row).collect()
}

fn styles(picture: &Picture, row: u16) -> Vec<Styles> {
    let columns = 0..picture[0].area.width;
    let cell = |x| picture.each_ref().map(|buf| style(&buf[(x, row)]));
    columns.map(cell).collect()
}

/// `ink/ground` and what else there is.
fn style(cell: &Cell) -> String {
    let blank = cell.symbol() == " ";
    let ink = match blank {
        // An empty cell has no ink.
        true => "-".to_owned(),
        false => colour(cell.fg),
    };
    let mut style = format!("{ink}/{}", colour(cell.bg));
    for (modifier, mark) in [
        (Modifier::BOLD, " bold"),
        (Modifier::DIM, " dim"),
        (Modifier::ITALIC, " italic"),
        (Modifier::UNDERLINED, " underlined"),
        (Modifier::REVERSED, " reversed"),
        (Modifier::CROSSED_OUT, " struck"),
    ] {
        if cell.modifier.contains(modifier) && (!blank || modifier == Modifier::REVERSED) {
            style.push_str(mark);
        }
    }
    style
}

/// A colour's name, or its six digits.
fn colour(c: Color) -> String {
    match c {
        Color::Reset => "-".into(),
        Color::Rgb(r, g, b) => format!("{r:02x}{g:02x}{b:02x}"),
        Color::Indexed(n) => n.to_string(),
        named => format!("{named:?}"),
    }
}

/// a … z, aa, ab …
fn letter(n: usize) -> String {
    let last = char::from(b'a' + (n % 26) as u8);
    match n / 26 {
        0 => last.to_string(),
        more => format!("{}{last}", letter(more - 1)),
    }
}
