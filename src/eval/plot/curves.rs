//! Curves over the share of the cache that was kept, one per policy.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::error::DrawError;

/// What is drawn.
pub struct Figure<'t> {
    pub title: &'t str,
    /// What is drawn upwards.
    pub upwards: &'t str,
    /// Whether a step upwards is a factor: values differ by orders of magnitude.
    pub factors: bool,
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

/// Values that can be marked where steps upwards are factors, within a decade.
const DECADE: [f64; 3] = [1.0, 2.0, 5.0];

/// Colours that people tell apart who see fewer (Okabe and Ito's, without yellow).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(100, 60, 190),
    RGBColor(130, 80, 40),
];

/// `None` where there is nothing to draw.
pub fn curves(figure: &Figure, all: &[Point]) -> Result<Option<String>, DrawError> {
    let curves = by_policy(figure, all);
    let points = || curves.iter().flat_map(|(_, points)| points);
    let Some(least) = points().map(|p| p.share).reduce(f64::min) else {
        return Ok(None);
    };
    let most = points().map(|p| p.share).fold(least, f64::max);
    let ends = (least * 0.8, most * 1.25);
    let marks = MARKS.into_iter().filter(|m| (ends.0..=ends.1).contains(m));
    let heights = Heights::of(figure, points());
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
            .x_label_area_size(46)
            .y_label_area_size(68)
            .build_cartesian_2d(across, heights.clone())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.1))
            .label_style(("sans-serif", 12))
            .axis_desc_style(("sans-serif", 14))
            .x_desc("share of the full cache that is kept")
            .x_label_formatter(&|x| format!("{} %", (x * 1000.0).round() / 10.0))
            .y_desc(figure.upwards)
            .y_label_formatter(&|y| heights.label(*y))
            .draw()?;
        if let Some(value) = figure.full {
            let line = [(ends.0, heights.at(value)), (ends.1, heights.at(value))];
            chart.draw_series(LineSeries::new(line, full().stroke_width(1)))?;
        }
        let colours = colours(&curves);
        for (i, ((_, points), colour)) in curves.iter().zip(&colours).enumerate() {
            let beside = BESIDE.powf(i as f64 - (curves.len() - 1) as f64 / 2.0);
            let places = points
                .iter()
                .map(|p| (p.share * beside, heights.at(p.value)));
            chart.draw_series(LineSeries::new(places.clone(), colour.stroke_width(2)))?;
            chart.draw_series(places.map(|at| Circle::new(at, 3, colour.filled())))?;
            let known = points.iter().filter(|p| p.low < p.high);
            chart.draw_series(known.map(|p| {
                let [low, value, high] = [p.low, p.value, p.high].map(|v| heights.at(v));
                let style = colour.stroke_width(1);
                ErrorBar::new_vertical(p.share * beside, low, value, high, style, 6)
            }))?;
        }
        name(&right, &curves, &colours, figure.full.is_some())?;
        root.present()?;
    }
    Ok(Some(svg))
}

/// Where values stand upwards.
#[derive(Clone)]
struct Heights {
    /// Whether a step upwards is a factor.
    factors: bool,
    bottom: f64,
    top: f64,
}

impl Ranged for Heights {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, height: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (height - self.bottom) / (self.top - self.bottom);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.marks()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.bottom..self.top
    }
}

impl Heights {
    fn of<'p>(figure: &Figure, points: impl Iterator<Item = &'p Point<'p>>) -> Heights {
        let (mut least, mut most) = (f64::INFINITY, 0.0f64);
        for point in points {
            // What is 0 has no place among factors: the interval ends at the lowest value then.
            let low = if point.low > 0.0 {
                point.low
            } else {
                point.value
            };
            (least, most) = (least.min(low), most.max(point.high));
        }
        let most = figure.full.unwrap_or(0.0).max(most);
        match figure.factors {
            true => Heights {
                factors: true,
                bottom: (least / 1.3).log10(),
                top: (most * 1.3).log10(),
            },
            false => Heights {
                factors: false,
                bottom: 0.0,
                top: (most * 1.08).max(1e-6),
            },
        }
    }

    fn at(&self, value: f64) -> f64 {
        match self.factors {
            true => value.log10().max(self.bottom),
            false => value,
        }
    }

    /// Heights with a label: some ten, as they are written.
    fn marks(&self) -> Vec<f64> {
        let decades =
            |from: f64, to: f64| (from.floor() as i32..=to.ceil() as i32).map(|d| 10f64.powi(d));
        if self.factors {
            let all = decades(self.bottom, self.top);
            let marks = all.flat_map(|decade| DECADE.map(|m| (m * decade).log10()));
            return marks
                .filter(|m| (self.bottom..=self.top).contains(m))
                .collect();
        }
        let widest = self.top.log10();
        let steps = decades(widest - 3.0, widest).flat_map(|decade| DECADE.map(|m| m * decade));
        let step = steps.into_iter().find(|step| self.top / step <= 11.0);
        let step = step.unwrap_or(self.top);
        (0..=(self.top / step) as usize)
            .map(|i| i as f64 * step)
            .collect()
    }

    fn label(&self, height: f64) -> String {
        let value = if self.factors {
            10f64.powf(height)
        } else {
            height
        };
        // No more digits than it has: 0.30000000000000004 is 0.3.
        let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
        rounded.to_string()
    }
}

fn full() -> RGBAColor {
    BLACK.mix(0.7)
}

/// Of each curve: yardsticks are grey, so that what is compared stands out.
fn colours(curves: &[Curve]) -> Vec<RGBColor> {
    let mut own = COLOURS.into_iter().cycle();
    let of = |(policy, _): &Curve| match *policy {
        "random" => RGBColor(185, 185, 185),
        "streaming" => RGBColor(120, 120, 120),
        _ => own.next().unwrap_or(BLACK),
    };
    curves.iter().map(of).collect()
}

/// Points by their policies, in the order in which these first come, each from the left to the right.
fn by_policy<'r>(figure: &Figure, all: &[Point<'r>]) -> Vec<Curve<'r>> {
    let mut curves: Vec<Curve> = Vec::new();
    let drawn =
        |p: &&Point| p.share > 0.0 && p.value.is_finite() && (p.value > 0.0 || !figure.factors);
    for &point in all.iter().filter(drawn) {
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
    colours: &[RGBColor],
    has_full: bool,
) -> Result<(), DrawError> {
    let all = curves.iter().zip(colours);
    let policies = all.map(|((policy, _), colour)| (*policy, colour.to_rgba(), 2));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn heights(factors: bool, values: &[f64]) -> Heights {
        let figure = Figure {
            title: "",
            upwards: "",
            factors,
            full: None,
        };
        let points = values.iter().map(|&value| Point {
            policy: "snapkv",
            share: 0.5,
            value,
            low: value,
            high: value,
        });
        let points: Vec<Point> = points.collect();
        Heights::of(&figure, points.iter())
    }

    #[test]
    fn marks_are_few_and_read_well() {
        let labels = |heights: Heights| -> Vec<String> {
            let marks = heights.marks().into_iter();
            marks.map(|mark| heights.label(mark)).collect()
        };
        let factors = labels(heights(true, &[0.0129, 1.6]));
        assert_eq!(
            factors,
            ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]
        );
        let shares = labels(heights(false, &[0.3, 0.95]));
        assert_eq!(shares.first().map(String::as_str), Some("0"));
        assert!(
            shares.contains(&"0.3".to_owned()) && shares.len() <= 12,
            "{shares:?}"
        );
        let nothing = heights(false, &[0.0]);
        assert!(nothing.top > 0.0 && !nothing.marks().is_empty());
    }
}
