//! Speed and memory over contexts as a picture: the paper's figure of efficiency.

use plotters::prelude::*;

use crate::engine::bench::BenchRow;
use crate::human;
use crate::plot::{DrawError, colour, curve, legend};

/// Pixels of one of the two.
const SIZE: (u32, u32) = (860, 380);

/// A policy's rows: its name, and of each context what is drawn upwards.
type Curve = (String, Vec<(f64, f64)>);

/// Time per decoded token above, and the most memory below, both against the context, a curve for each policy.
/// `None` where nothing was measured.
///
/// # Errors
/// What the library says.
pub fn chart(rows: &[BenchRow], title: &str) -> Result<Option<String>, DrawError> {
    if rows.is_empty() {
        return Ok(None);
    }
    let on_device = rows.iter().any(|row| row.device_used_peak_bytes.is_some());
    let bytes = |row: &BenchRow| {
        row.device_used_peak_bytes
            .unwrap_or(row.anonymous_peak_bytes)
    };
    let most = rows.iter().map(bytes).max().unwrap_or(0);
    let (unit, word) = match most >> 32 {
        0 => ((1u64 << 20) as f64, "MiB"),
        _ => ((1u64 << 30) as f64, "GiB"),
    };
    let of = match on_device {
        true => "the device's memory in use",
        false => "the process's own memory",
    };
    let mut svg = String::new();
    {
        let size = (SIZE.0, 2 * SIZE.1);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let halves = root.titled(title, ("sans-serif", 18))?.split_evenly((2, 1));
        let time = curves(rows, |row| row.decode_ms_per_token);
        draw(&halves[0], &time, ("time per decoded token, ms", true))?;
        let memory = curves(rows, |row| bytes(row) as f64 / unit);
        // Colours are named above.
        draw(
            &halves[1],
            &memory,
            (&format!("most of {of}, {word}"), false),
        )?;
        root.present()?;
    }
    Ok(Some(svg))
}

fn curves(rows: &[BenchRow], of: impl Fn(&BenchRow) -> f64) -> Vec<Curve> {
    let mut all: Vec<Curve> = Vec::new();
    for row in rows {
        let name = match row.budget {
            None => row.policy.clone(),
            Some(budget) => format!("{}, {} per head", row.policy, human::thousands(budget)),
        };
        let point = (row.context as f64, of(row));
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, points)) => points.push(point),
            None => all.push((name, vec![point])),
        }
    }
    for (_, points) in &mut all {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    all
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw(area: &Area<'_>, curves: &[Curve], (what, named): (&str, bool)) -> Result<(), DrawError> {
    let points = || curves.iter().flat_map(|(_, points)| points);
    let least = points().map(|p| p.0).fold(f64::INFINITY, f64::min);
    let most = points().map(|p| p.0).fold(1.0, f64::max);
    let top = points().map(|p| p.1).fold(0.0, f64::max);
    let across = (least.max(1.0) * 0.9..most * 1.1).log_scale().base(2.0);
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(across, 0.0..(top * 1.25).max(1e-6))?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("context, tokens")
        .x_label_formatter(&|x| human::short(x.round() as usize))
        .y_desc(what)
        .draw()?;
    for (i, (name, points)) in curves.iter().enumerate() {
        curve(&mut chart, (i, name), points.iter().copied())?;
        let dot = |&point: &(f64, f64)| Circle::new(point, 3, colour(i).filled());
        chart.draw_series(points.iter().map(dot))?;
    }
    match named {
        true => legend(&mut chart, SeriesLabelPosition::UpperLeft),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(policy: &str, budget: Option<usize>, context: usize) -> BenchRow {
        BenchRow {
            policy: policy.into(),
            budget,
            context,
            decode_ms_per_token: context as f64 / 100.0,
            anonymous_peak_bytes: (context as u64) << 20,
            ..BenchRow::default()
        }
    }

    #[test]
    fn full_and_evicted_stand_in_one_picture_of_time_and_one_of_memory() {
        let mut rows = Vec::new();
        for context in [4096, 512, 131_072] {
            rows.push(row("full", None, context));
            rows.push(row("ada-snapkv", Some(1024), context));
        }
        let svg = chart(&rows, "a model, cpu").unwrap().unwrap();
        assert!(svg.starts_with("<svg"));
        for text in [
            "a model, cpu",
            "time per decoded token, ms",
            "most of the process&apos;s own memory, GiB",
            "ada-snapkv, 1,024 per head",
            "full",
            "context, tokens",
        ] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        rows.iter_mut()
            .for_each(|row| row.device_used_peak_bytes = Some(5 << 20));
        let svg = chart(&rows[..1], "one").unwrap().unwrap();
        assert!(svg.contains("memory in use, MiB"), "{svg}");
        assert_eq!(chart(&[], "nothing").unwrap(), None);
    }
}
