//! What answers come to, as pictures: SVG texts, drawn by `plotters`.

mod curves;
mod depths;
mod error;

use super::summary::{Row, TextRow};
use super::{Record, Summary, TEXT};
use curves::{Figure, Point, curves};
pub use error::DrawError;

/// Names of files and what is in them: for each mode the score against what was kept, the distance to the
/// full cache against it, and where needles were found, as far as there is anything to draw; of texts of
/// one's own the distance.
///
/// # Errors
/// What the library says.
pub fn plots(records: &[Record], summary: &Summary) -> Result<Vec<(String, String)>, DrawError> {
    let mut all = Vec::new();
    for mode in summary.modes() {
        let mut rows = summary.widest(mode);
        rows.retain(|row| row.n > 0);
        let full = rows.iter().find(|row| row.policy == "full");
        let full = full.map(|row| row.score);
        rows.retain(|row| row.policy != "full");
        let title = format!("mode: {mode}");
        let of_scores = Figure {
            title: &title,
            upwards: "mean score, with 95 % intervals",
            factors: false,
            full,
        };
        let of_kl = Figure {
            title: &title,
            upwards: "KL to the full cache, nats",
            factors: true,
            full: None,
        };
        let scores = rows.iter().map(|row| score(row)).collect::<Vec<_>>();
        let kls = rows.iter().filter_map(|row| kl(row)).collect::<Vec<_>>();
        for (name, figure, points) in [("score", of_scores, scores), ("kl", of_kl, kls)] {
            if let Some(svg) = curves(&figure, &points)? {
                all.push((format!("{name}-{mode}.svg"), svg));
            }
        }
        let of_mode = records.iter().filter(|r| r.mode == mode && r.asked());
        if let Some(svg) = depths::depths(&of_mode.collect::<Vec<_>>(), mode)? {
            all.push((format!("needles-{mode}.svg"), svg));
        }
    }
    let texts = summary.widest_texts().into_iter();
    let points: Vec<Point> = texts.filter(|row| row.policy != "full").map(text).collect();
    let figure = Figure {
        title: "how texts go on",
        upwards: "KL to the full cache, nats, with 95 % intervals",
        factors: true,
        full: None,
    };
    if let Some(svg) = curves(&figure, &points)? {
        all.push((format!("kl-{TEXT}.svg"), svg));
    }
    Ok(all)
}

fn score(row: &Row) -> Point<'_> {
    Point {
        policy: &row.policy,
        share: row.kept_share,
        value: row.score,
        low: row.low,
        high: row.high,
    }
}

fn kl(row: &Row) -> Option<Point<'_>> {
    let value = row.kl_mean?;
    Some(Point {
        value,
        low: value,
        high: value,
        ..score(row)
    })
}

fn text(row: &TextRow) -> Point<'_> {
    Point {
        policy: &row.policy,
        share: row.kept_share,
        value: row.kl_mean,
        low: row.low,
        high: row.high,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(policy: &str, budget: &str, length: usize, depth: f64, score: f64) -> Record {
        let full = policy == "full";
        Record {
            sample: format!("{length}-{depth}"),
            task: "needle".into(),
            dataset: "needle".into(),
            length: Some(length),
            depths: vec![depth],
            mode: "with".into(),
            policy: policy.into(),
            budget: budget.into(),
            entries: None,
            question: 0,
            prompt_tokens: length,
            lost_tokens: 0,
            bytes: 1,
            kept_share: if full { 1.0 } else { 128.0 / length as f64 },
            answer: String::new(),
            answer_tokens: 1,
            stop: "eos".into(),
            references: Vec::new(),
            metric: "contains".into(),
            score,
            kl: (!full).then_some(0.1),
            ..Record::default()
        }
    }

    #[test]
    fn every_mode_has_its_pictures_and_a_run_without_needles_has_no_map_of_them() {
        let mut records = Vec::new();
        for length in [1024, 4096] {
            for depth in [0.1, 0.9] {
                records.push(record("full", "all", length, depth, 1.0));
                records.push(record("snapkv", "128", length, depth, depth));
                records.push(record("snapkv", "512", length, depth, 1.0));
            }
        }
        let drawn = plots(&records, &Summary::of(&records)).unwrap();
        let names: Vec<&str> = drawn.iter().map(|(name, _)| &name[..]).collect();
        assert_eq!(names, ["score-with.svg", "kl-with.svg", "needles-with.svg"]);
        for (name, svg) in &drawn {
            assert!(svg.starts_with("<svg") && svg.contains("snapkv"), "{name}");
        }
        records.iter_mut().for_each(|r| r.depths.clear());
        assert_eq!(plots(&records, &Summary::of(&records)).unwrap().len(), 2);
        assert_eq!(plots(&[], &Summary::of(&[])).unwrap().len(), 0);
    }
}
