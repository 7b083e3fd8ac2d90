//! Where needles were found: depth in the text by length of the text, a map per variant.

use std::collections::BTreeMap;

use plotters::prelude::*;

use super::error::DrawError;
use crate::eval::Record;

/// Rows of a map: parts of the text, the beginning on top.
const PARTS: usize = 5;
/// Maps beside each other.
const BESIDE: usize = 4;
/// Pixels of a map.
const SIZE: (u32, u32) = (230, 210);

/// Mean score by depth and length.
type Cells = BTreeMap<(usize, usize), (f64, usize)>;

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
    let beside = maps.len().min(BESIDE);
    let below = maps.len().div_ceil(BESIDE);
    let size = (SIZE.0 * beside as u32, SIZE.1 * below as u32 + 30);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let title = format!("needles found, depth by length (mode: {mode})");
        let root = root.titled(&title, ("sans-serif", 16))?;
        for (area, (name, cells)) in root.split_evenly((below, beside)).iter().zip(&maps) {
            let mut chart = ChartBuilder::on(area)
                .caption(name, ("sans-serif", 13))
                .margin(6)
                .x_label_area_size(22)
                .y_label_area_size(36)
                .build_cartesian_2d(0..lengths.len(), 0..PARTS)?;
            let length = |at: &usize| {
                let length = lengths.get(*at).copied();
                length.map_or_else(String::new, crate::human::short)
            };
            chart
                .configure_mesh()
                .disable_mesh()
                .x_labels(lengths.len() + 1)
                .y_labels(PARTS)
                .x_label_formatter(&length)
                .y_label_formatter(&|row| format!("{} %", (PARTS - row) * 100 / PARTS))
                .draw()?;
            let drawn = cells.iter().filter_map(|(&(length, part), &(sum, n))| {
                let column = lengths.iter().position(|&l| l == length)?;
                let colour = shade(sum / n.max(1) as f64);
                // The text's beginning is on top.
                let corners = [(column, PARTS - part - 1), (column + 1, PARTS - part)];
                Some(Rectangle::new(corners, colour.filled()))
            });
            chart.draw_series(drawn)?;
        }
        root.present()?;
    }
    Ok(Some(svg))
}

/// Dark where nothing is found, light where all is.
fn shade(score: f64) -> RGBColor {
    let score = score.clamp(0.0, 1.0);
    let mix =
        |from: u8, to: u8| (f64::from(from) + score * (f64::from(to) - f64::from(from))) as u8;
    RGBColor(mix(68, 190), mix(30, 225), mix(96, 120))
}
