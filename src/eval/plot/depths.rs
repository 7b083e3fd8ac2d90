//! Where needles were found: depth in the text by length of the text, a map per variant.

use std::collections::BTreeMap;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::error::DrawError;
use crate::eval::Record;

/// Rows of a map: parts of the text, the beginning on top.
const PARTS: usize = 5;
/// Maps beside each other at most.
const BESIDE: usize = 6;
/// Pixels of a map, of what stands around its cells, and of the title above all maps.
const SIZE: (i32, i32) = (230, 200);
const LEFT: i32 = 62;
const RIGHT: i32 = 12;
const ABOVE: i32 = 26;
const BELOW: i32 = 26;
const TITLE: i32 = 34;
/// A cell that is narrower has no number in it.
const NARROW: i32 = 22;

/// Sum and number of scores by length and depth.
type Cells = BTreeMap<(usize, usize), (f64, usize)>;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// `None` where no answer stands at one place of a text that was made for a length.
pub fn depths(records: &[&Record], mode: &str) -> Result<Option<String>, DrawError> {
    let mut maps: Vec<(String, Cells)> = Vec::new();
    let mut lengths = Vec::new();
    for record in records {
        let (&[depth], Some(length)) = (&record.depths[..], record.length) else {
            continue;
        };
        let name = match record.policy == "full" {
            true => record.policy.clone(),
            false => format!("{} {}", record.policy, record.budget),
        };
        lengths.push(length);
        let part = ((depth.clamp(0.0, 1.0) * PARTS as f64) as usize).min(PARTS - 1);
        let at = maps.iter().position(|(map, _)| *map == name);
        let at = at.unwrap_or_else(|| {
            maps.push((name, Cells::new()));
            maps.len() - 1
        });
        let (sum, n) = maps[at].1.entry((length, part)).or_default();
        (*sum, *n) = (*sum + record.score, *n + 1);
    }
    lengths.sort_unstable();
    lengths.dedup();
    if maps.is_empty() {
        return Ok(None);
    }
    // The full cache by itself, then a row for each budget.
    let full = usize::from(maps[0].0 == "full");
    let rest = &maps[full..];
    let budget = |map: &(String, Cells)| map.0.rsplit(' ').next().map(str::to_owned);
    let of_first = rest
        .iter()
        .take_while(|map| budget(map) == budget(&rest[0]));
    let beside = of_first.count().clamp(1, BESIDE);
    let empty = if rest.is_empty() {
        0
    } else {
        full * (beside - 1)
    };
    let below = (maps.len() + empty).div_ceil(beside) as i32;
    // Wide enough for the title.
    let size = ((SIZE.0 * beside as i32).max(470), SIZE.1 * below + TITLE);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (size.0 as u32, size.1 as u32));
        let root = root.into_drawing_area();
        root.fill(&WHITE)?;
        let title = format!("score × 100 by depth and length of the text (mode: {mode})");
        text(
            &root,
            &title,
            (size.0 / 2, TITLE / 2),
            (16, HPos::Center),
            BLACK,
        )?;
        for (i, (name, cells)) in maps.iter().enumerate() {
            let place = if i > 0 { i + empty } else { 0 };
            let (column, row) = ((place % beside) as i32, (place / beside) as i32);
            let at = (SIZE.0 * column, SIZE.1 * row + TITLE);
            map(&root, at, name, (cells, &lengths))?;
        }
        root.present()?;
    }
    Ok(Some(svg))
}

/// One map whose upper left corner is `at`.
fn map(
    area: &Area,
    at: (i32, i32),
    name: &str,
    (cells, lengths): (&Cells, &[usize]),
) -> Result<(), DrawError> {
    let (width, height) = (SIZE.0 - LEFT - RIGHT, SIZE.1 - ABOVE - BELOW);
    let columns = lengths.len().max(1) as i32;
    let x = |column: i32| at.0 + LEFT + width * column / columns;
    let y = |row: i32| at.1 + ABOVE + height * row / PARTS as i32;
    let middle = |from: i32, to: i32| (from + to) / 2;
    let head = (x(0) + width / 2, at.1 + ABOVE / 2);
    text(area, name, head, (13, HPos::Center), BLACK)?;
    for part in 0..PARTS {
        let row = part as i32;
        let share = 100 / PARTS * part;
        let label = format!("{share}–{} %", share + 100 / PARTS);
        let place = (x(0) - 6, middle(y(row), y(row + 1)));
        text(area, &label, place, (11, HPos::Right), BLACK)?;
        for (column, &length) in (0..).zip(lengths) {
            let corners = [(x(column), y(row)), (x(column + 1) - 1, y(row + 1) - 1)];
            let mean = cells
                .get(&(length, part))
                .map(|&(sum, n)| sum / n.max(1) as f64);
            // Where nothing was asked.
            let colour = mean.map_or(RGBColor(238, 238, 238), shade);
            area.draw(&Rectangle::new(corners, colour.filled()))?;
            let Some(mean) = mean.filter(|_| width / columns >= NARROW) else {
                continue;
            };
            let place = (middle(x(column), x(column + 1)), middle(y(row), y(row + 1)));
            let ink = if mean < 0.55 { WHITE } else { BLACK };
            text(
                area,
                &format!("{:.0}", mean * 100.0),
                place,
                (12, HPos::Center),
                ink,
            )?;
        }
    }
    // As many lengths as have room.
    let every = lengths.len().div_ceil((width / 34).max(1) as usize).max(1);
    for (column, &length) in lengths.iter().enumerate().step_by(every) {
        let column = column as i32;
        let place = (
            middle(x(column), x(column + 1)),
            y(PARTS as i32) + BELOW / 2 - 2,
        );
        text(
            area,
            &crate::human::short(length),
            place,
            (11, HPos::Center),
            BLACK,
        )?;
    }
    Ok(())
}

/// A text whose middle stands at this height.
fn text(
    area: &Area,
    text: &str,
    at: (i32, i32),
    (size, hold): (u32, HPos),
    ink: RGBColor,
) -> Result<(), DrawError> {
    let style = ("sans-serif", size).into_text_style(area).color(&ink);
    let style = style.pos(Pos::new(hold, VPos::Center));
    Ok(area.draw(&Text::new(text.to_owned(), at, style))?)
}

/// Dark where nothing is found, light where all is.
fn shade(score: f64) -> RGBColor {
    let score = score.clamp(0.0, 1.0);
    let mix =
        |from: u8, to: u8| (f64::from(from) + score * (f64::from(to) - f64::from(from))) as u8;
    RGBColor(mix(68, 190), mix(30, 225), mix(96, 120))
}
