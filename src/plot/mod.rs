//! What pictures have in common: SVG texts, drawn by `plotters`.

use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;

/// What the library says.
pub type DrawError = Box<dyn std::error::Error + Send + Sync>;

/// The colour of the curve number `i`.
pub fn colour(i: usize) -> RGBAColor {
    Palette99::pick(i).to_rgba()
}

/// Draws curve number `i` through `points`, from left to right, with its name for the legend.
///
/// # Errors
/// What the library says.
pub fn curve<'a, DB, X, Y>(
    chart: &mut ChartContext<'a, DB, Cartesian2d<X, Y>>,
    (i, name): (usize, &str),
    points: impl IntoIterator<Item = (f64, f64)>,
) -> Result<(), DrawError>
where
    DB: DrawingBackend + 'a,
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let style = colour(i).stroke_width(2);
    chart
        .draw_series(LineSeries::new(points, style))
        .map_err(|error| error.to_string())?
        .label(name)
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    Ok(())
}

/// Draws the names of all curves at `position`.
///
/// # Errors
/// What the library says.
pub fn legend<'a, DB, X, Y>(
    chart: &mut ChartContext<'a, DB, Cartesian2d<X, Y>>,
    position: SeriesLabelPosition,
) -> Result<(), DrawError>
where
    DB: DrawingBackend + 'a,
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let mut labels = chart.configure_series_labels();
    labels
        .position(position)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3));
    labels.draw().map_err(|error| error.to_string().into())
}
