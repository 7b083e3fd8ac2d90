//! Curves over the share of the cache that was kept, one per policy.

use plotters::prelude::*;

use super::error::DrawError;
use crate::eval::summary::Row;
use crate::plot::{colour, curve, legend};

/// What is drawn upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Mean score with its interval; the full cache's as a line across.
    Score,
    /// KL to the full cache, nats.
    Divergence,
}

/// One point of a curve: share kept, value and its interval.
#[derive(Clone, Copy, Debug)]
struct Point {
    share: f64,
    value: f64,
    low: f64,
    high: f64,
}

impl Axis {
    fn of(self, row: &Row) -> Option<Point> {
        let (value, low, high) = match self {
            Axis::Score => (row.score, row.low, row.high),
            Axis::Divergence => (row.kl_mean?, row.kl_mean?, row.kl_mean?),
        };
        let share = row.kept_share;
        (share > 0.0 && value.is_finite()).then_some(Point {
            share,
            value,
            low,
            high,
        })
    }

    fn words(self) -> &'static str {
        match self {
            Axis::Score => "mean score, with 95 % intervals",
            Axis::Divergence => "KL to the full cache, nats",
        }
    }
}

/// `None` where there is nothing to draw.
pub fn curves(rows: &[&Row], mode: &str, axis: Axis) -> Result<Option<String>, DrawError> {
    let mut curves: Vec<(&str, Vec<Point>)> = Vec::new();
    let bounded = rows.iter().filter(|row| row.policy != "full");
    for (row, point) in bounded.filter_map(|row| Some((row, axis.of(row)?))) {
        match curves.iter_mut().find(|(policy, _)| *policy == row.policy) {
            Some((_, points)) => points.push(point),
            None => curves.push((&row.policy, vec![point])),
        }
    }
    let points = || curves.iter().flat_map(|(_, points)| points);
    let Some(least) = points().map(|p| p.share).reduce(f64::min) else {
        return Ok(None);
    };
    let most = points().map(|p| p.share).fold(least, f64::max);
    let full = rows.iter().find(|row| row.policy == "full");
    let full = full.filter(|_| axis == Axis::Score).map(|row| row.score);
    let top = points().map(|p| p.high).chain(full).fold(0.0, f64::max);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (860, 520)).into_drawing_area();
        root.fill(&WHITE)?;
        let across = (least * 0.8..most * 1.25).log_scale();
        let mut chart = ChartBuilder::on(&root)
            .caption(format!("mode: {mode}"), ("sans-serif", 18))
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(60)
            .build_cartesian_2d(across, 0.0..(top * 1.08).max(1e-6))?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("share of the full cache that is kept")
            .x_label_formatter(&|x| format!("{:.1} %", x * 100.0))
            .y_desc(axis.words())
            .draw()?;
        if let Some(score) = full {
            let ends = [(least * 0.8, score), (most * 1.25, score)];
            chart
                .draw_series(LineSeries::new(ends, BLACK.mix(0.5).stroke_width(1)))?
                .label("full")
                .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLACK.mix(0.5)));
        }
        for (i, (policy, points)) in curves.iter_mut().enumerate() {
            points.sort_by(|a, b| a.share.total_cmp(&b.share));
            let line = points.iter().map(|p| (p.share, p.value));
            curve(&mut chart, (i, policy), line)?;
            let bars = points.iter();
            let bar = |p: &Point| {
                let style = colour(i).filled();
                ErrorBar::new_vertical(p.share, p.low, p.value, p.high, style, 6)
            };
            chart.draw_series(bars.map(bar))?;
        }
        legend(&mut chart, SeriesLabelPosition::LowerRight)?;
        root.present()?;
    }
    Ok(Some(svg))
}
