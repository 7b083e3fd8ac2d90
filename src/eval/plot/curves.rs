//! Curves over the share of the cache that was kept, one per policy.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::error::DrawError;

/// What is drawn.
pub struct Figure<'t> {
    pub title: &'t str,
    /// What is drawn upwards.
    pub upwards: &'t str,
    /// The full cache's value, drawn as a line across.
    pub full: Option<f64>,
}

/// One point of a policy's curve: share kept, value and its interval.
#[derive(Clone, Copy, Debug)]
pub struct Point<'r> {
    pub policy: &'r str,
    pub share: f64,
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// A policy's points.
type Curve<'r> = (&'r str, Vec<Point<'r>>);

/// Pixels of a picture, and those of them that names take on the right.
const SIZE: (u32, u32) = (860, 520);
const NAMES: u32 = 180;

/// Policies keep the same share at a budget: beside each other by this factor, so that intervals are seen.
const BESIDE: f64 = 1.006;

/// Shares that can be marked, each with room to the next.
const MARKS: [f64; 19] = [
    0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3,
    0.4, 0.5, 0.7, 1.0,
];

/// `None` where there is nothing to draw.
pub fn curves(figure: &Figure, all: &[Point]) -> Result<Option<String>, DrawError> {
    let curves = by_policy(all);
    let points = || curves.iter().flat_map(|(_, points)| points);
    let Some(least) = points().map(|p| p.share).reduce(f64::min) else {
        return Ok(None);
    };
    let most = points().map(|p| p.share).fold(least, f64::max);
    let ends = (least * 0.8, most * 1.25);
    let top = points().map(|p| p.high).chain(figure.full);
    let top = (top.fold(0.0, f64::max) * 1.08).max(1e-6);
    let marks = MARKS.into_iter().filter(|m| (ends.0..=ends.1).contains(m));
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (left, right) = root.split_horizontally(SIZE.0 - NAMES);
        let across = (ends.0..ends.1).log_scale();
        let across = across.with_key_points(marks.collect());
        let mut chart = ChartBuilder::on(&left)
            .caption(figure.title, ("sans-serif", 18))
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(60)
            .build_cartesian_2d(across, 0.0..top)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("share of the full cache that is kept")
            .x_label_formatter(&|x| format!("{} %", (x * 1000.0).round() / 10.0))
            .y_desc(figure.upwards)
            .draw()?;
        if let Some(value) = figure.full {
            let line = [(ends.0, value), (ends.1, value)];
            chart.draw_series(LineSeries::new(line, full().stroke_width(1)))?;
        }
        for (i, (_, points)) in curves.iter().enumerate() {
            let beside = BESIDE.powf(i as f64 - (curves.len() - 1) as f64 / 2.0);
            let colour = colour(i);
            let places = points.iter().map(|p| (p.share * beside, p.value));
            chart.draw_series(LineSeries::new(places.clone(), colour.stroke_width(2)))?;
            chart.draw_series(places.map(|at| Circle::new(at, 3, colour.filled())))?;
            let known = points.iter().filter(|p| p.low < p.high);
            chart.draw_series(known.map(|p| {
                let style = colour.stroke_width(1);
                ErrorBar::new_vertical(p.share * beside, p.low, p.value, p.high, style, 6)
            }))?;
        }
        name(&right, &curves, figure.full.is_some())?;
        root.present()?;
    }
    Ok(Some(svg))
}

fn full() -> RGBAColor {
    BLACK.mix(0.5)
}

fn colour(i: usize) -> RGBAColor {
    Palette99::pick(i).to_rgba()
}

/// Points by their policies, in the order in which these first come, each from the left to the right.
fn by_policy<'r>(all: &[Point<'r>]) -> Vec<Curve<'r>> {
    let mut curves: Vec<Curve> = Vec::new();
    for &point in all.iter().filter(|p| p.share > 0.0 && p.value.is_finite()) {
        match curves
            .iter_mut()
            .find(|(policy, _)| *policy == point.policy)
        {
            Some((_, points)) => points.push(point),
            None => curves.push((point.policy, vec![point])),
        }
    }
    for (_, points) in &mut curves {
        points.sort_by(|a, b| a.share.total_cmp(&b.share));
    }
    curves
}

/// Whose line is whose, beside the chart: nothing of it is covered.
fn name(
    area: &DrawingArea<SVGBackend, Shift>,
    curves: &[Curve],
    has_full: bool,
) -> Result<(), DrawError> {
    let all = curves.iter().enumerate();
    let policies = all.map(|(i, (policy, _))| (*policy, colour(i), 2));
    let full = has_full.then(|| ("full", full(), 1));
    let style = ("sans-serif", 14).into_text_style(area);
    let style = style.pos(Pos::new(HPos::Left, VPos::Center));
    for (row, (policy, colour, width)) in full.into_iter().chain(policies).enumerate() {
        let y = 52 + 21 * row as i32;
        area.draw(&PathElement::new(
            [(0, y), (22, y)],
            colour.stroke_width(width),
        ))?;
        area.draw(&Text::new(policy.to_owned(), (29, y), style.clone()))?;
    }
    Ok(())
}
