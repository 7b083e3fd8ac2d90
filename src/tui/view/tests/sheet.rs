//! A screen's colours as text: a letter for each style, how many cells have it, and what the
//! letters mean.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::Modifier;

use crate::tui::panel::tests::fixture::colour;

/// The letters given out so far, over several screens.
#[derive(Default)]
pub struct Legend(Vec<String>);

impl Legend {
    /// Runs of cells, a line each; `=` is a line as in `base`, and lines like the one before are
    /// counted only.
    pub fn styles(&mut self, buf: &Buffer, base: &Buffer) -> String {
        let mut lines: Vec<(usize, String)> = Vec::new();
        let width = usize::from(buf.area.width).max(1);
        for (row, known) in buf.content.chunks(width).zip(base.content.chunks(width)) {
            let same = || row.iter().map(style).eq(known.iter().map(style));
            let line = match !std::ptr::eq(buf, base) && same() {
                true => "=".to_owned(),
                false => self.runs(row),
            };
            match lines.last_mut() {
                Some((n, l)) if *l == line => *n += 1,
                _ => lines.push((1, line)),
            }
        }
        lines.iter().fold(String::new(), |mut out, (n, line)| {
            let _ = match n {
                1 => writeln!(out, "{line}"),
                n => writeln!(out, "{line}   × {n}"),
            };
            out
        })
    }

    /// What the letters mean: ink/ground, bold, dim, reversed.
    pub fn meaning(&self) -> String {
        let all = self.0.iter().enumerate();
        let lines = all.map(|(i, style)| format!("{} {style}\n", name(i)));
        lines.collect()
    }

    fn runs(&mut self, row: &[Cell]) -> String {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for cell in row {
            let letter = self.letter(style(cell));
            match runs.last_mut() {
                Some((n, l)) if *l == letter => *n += 1,
                _ => runs.push((1, letter)),
            }
        }
        let runs = runs.iter().map(|&(n, l)| format!("{n}{}", name(l)));
        runs.collect::<Vec<_>>().join(" ")
    }

    fn letter(&mut self, style: String) -> usize {
        let known = self.0.iter().position(|s| *s == style);
        known.unwrap_or_else(|| {
            self.0.push(style);
            self.0.len() - 1
        })
    }
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
    ] {
        if cell.modifier.contains(modifier) && (!blank || modifier == Modifier::REVERSED) {
            style.push_str(mark);
        }
    }
    style
}

/// a … z, aa, ab …
fn name(n: usize) -> String {
    let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
    match n / 26 {
        0 => letter(n).to_string(),
        more => format!("{}{}", name(more - 1), letter(n)),
    }
}
