//! A measurement over time that never grows without limit.

/// Most points kept; when they are reached, neighbours are merged and the resolution halves.
const CAP: usize = 512;
/// Longer pauses than this many seconds count as this long: a graph shows work, not waiting.
const PAUSE: f64 = 1.0;

/// One measured moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Seconds of work since the series began.
    pub at: f64,
    pub value: f64,
    /// A second measure that the first is seen against.
    pub over: f64,
    /// Something happened here (an eviction, a new turn).
    pub mark: bool,
}

/// How merged points are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Merge {
    /// A peak must not disappear.
    #[default]
    Highest,
    Mean,
}

/// Points in the order of time, at most 512 of them.
#[derive(Clone, Debug, Default)]
pub struct Series {
    merge: Merge,
    points: Vec<Point>,
    /// Points closer together than this many seconds become one.
    step: f64,
    /// Time of the last push on the caller's clock, and in seconds of work.
    clock: f64,
    work: f64,
}

impl Series {
    pub fn new(merge: Merge) -> Series {
        Series {
            merge,
            ..Series::default()
        }
    }

    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    pub fn points(&self) -> &[Point] {
        &self.points
    }

    pub fn last(&self) -> Option<Point> {
        self.points.last().copied()
    }

    /// Seconds of work that the points cover.
    pub fn span(&self) -> f64 {
        self.work
    }

    /// Records a measurement; `at` in seconds on any clock that does not run backwards.
    pub fn push(&mut self, at: f64, value: f64, over: f64, mark: bool) {
        if !(at.is_finite() && value.is_finite() && over.is_finite()) {
            return;
        }
        if !self.points.is_empty() {
            self.work += (at - self.clock).clamp(0.0, PAUSE);
        }
        self.clock = at;
        let point = Point {
            at: self.work,
            value,
            over,
            mark,
        };
        match self.points.last_mut() {
            Some(last) if point.at - last.at < self.step => {
                *last = merged(self.merge, *last, point)
            }
            _ => self.points.push(point),
        }
        if self.points.len() >= CAP {
            let merge = self.merge;
            let pairs = self.points.chunks(2);
            self.points = pairs
                .map(|p| p.iter().copied().reduce(|a, b| merged(merge, a, b)))
                .map(Option::unwrap_or_default)
                .collect();
            self.step = 2.0 * self.work / CAP as f64;
        }
    }

    /// The series as `n` columns of equal time; a column without a point repeats the one before.
    pub fn columns(&self, n: usize) -> Vec<Point> {
        let Some(&first) = self.points.first() else {
            return Vec::new();
        };
        let mut columns: Vec<Option<Point>> = vec![None; n];
        for p in &self.points {
            let share = if self.work > 0.0 {
                p.at / self.work
            } else {
                0.0
            };
            let i = ((share * n as f64) as usize).min(n.saturating_sub(1));
            if let Some(column) = columns.get_mut(i) {
                *column = Some(column.map_or(*p, |c| merged(self.merge, c, *p)));
            }
        }
        let mut before = Point {
            mark: false,
            ..first
        };
        columns
            .into_iter()
            .map(|column| {
                let point = column.unwrap_or(before);
                before = Point {
                    mark: false,
                    ..point
                };
                point
            })
            .collect()
    }
}

fn merged(merge: Merge, a: Point, b: Point) -> Point {
    let of = |a: f64, b: f64| match merge {
        Merge::Highest => a.max(b),
        Merge::Mean => (a + b) / 2.0,
    };
    Point {
        at: a.at,
        value: of(a.value, b.value),
        over: of(a.over, b.over),
        mark: a.mark || b.mark,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_history_keeps_its_peak_its_end_and_its_marks_in_bounded_room() {
        let mut series = Series::new(Merge::Highest);
        for i in 0..100_000u32 {
            let value = if i == 41_000 { 9e9 } else { f64::from(i) };
            series.push(f64::from(i) * 0.1, value, 0.0, i == 77_777);
        }
        assert!(series.points().len() < 512);
        assert!(series.points().iter().any(|p| p.value == 9e9));
        assert_eq!(series.points().iter().filter(|p| p.mark).count(), 1);
        assert_eq!(series.last().map(|p| p.value), Some(99_999.0));
        let columns = series.columns(40);
        assert_eq!(columns.len(), 40);
        assert_eq!(columns.iter().filter(|p| p.mark).count(), 1);
        let peak = columns.iter().position(|p| p.value == 9e9);
        assert_eq!(peak, Some(16));
    }

    #[test]
    fn waiting_is_not_drawn() {
        let mut series = Series::new(Merge::Mean);
        series.push(0.0, 1.0, 0.0, false);
        series.push(1.0, 2.0, 0.0, false);
        series.push(601.0, 3.0, 0.0, false);
        assert_eq!(series.span(), 2.0);
        let values: Vec<f64> = series.columns(3).iter().map(|p| p.value).collect();
        assert_eq!(values, [1.0, 2.0, 3.0]);
    }
}
