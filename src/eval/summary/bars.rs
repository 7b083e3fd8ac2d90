//! A first look at a run: a bar for each variant.

use super::{Row, Summary};

/// Cells of a whole bar, eighths of which can be drawn.
const CELLS: usize = 40;
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Scores over all sets as bars in a fenced block, a block for each mode; nothing where nothing was asked.
pub fn bars(summary: &Summary) -> String {
    let mut out = String::new();
    for mode in summary.modes() {
        let rows = summary.widest(mode);
        let names: Vec<String> = rows.iter().map(|row| name(row)).collect();
        let width = names.iter().map(|name| name.chars().count()).max();
        let width = width.unwrap_or(0);
        out.push_str(&format!(
            "\nScores of 100 in the mode {mode}, and the share of the cache that is kept:\n\n```\n"
        ));
        for (row, name) in rows.iter().zip(&names) {
            let (score, kept) = (100.0 * row.score, 100.0 * row.kept_share);
            out.push_str(&format!(
                "{name:width$}  {} {score:5.1}  {kept:5.1} %\n",
                bar(row.score)
            ));
        }
        out.push_str("```\n");
    }
    out
}

/// As in the columns of the table.
fn name(row: &Row) -> String {
    match row.policy.as_str() {
        "full" => "full".into(),
        policy => format!("{policy}@{}", row.budget),
    }
}

/// Of a score from 0 to 1, as wide as a whole one.
fn bar(score: f64) -> String {
    let eighths = (score.clamp(0.0, 1.0) * (8 * CELLS) as f64).round() as usize;
    let bar = "█".repeat(eighths / 8) + EIGHTHS[eighths % 8];
    let drawn = bar.chars().count();
    bar + &"·".repeat(CELLS - drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(task: &str, policy: &str, score: f64) -> Row {
        Row {
            task: task.into(),
            dataset: task.into(),
            mode: "with".into(),
            policy: policy.into(),
            budget: "25%".into(),
            length: None,
            n: 4,
            score,
            low: score,
            high: score,
            vs_full: None,
            kl_mean: None,
            kept_share: 0.25,
            bytes: 1,
            left_out: 0,
        }
    }

    #[test]
    fn bars_are_of_all_sets_and_as_long_as_their_scores() {
        let rows = [("vt", 0.1), ("all", 1.0), ("fwe", 0.2)];
        let mut summary = Summary {
            rows: rows.map(|(task, score)| row(task, "full", score)).to_vec(),
            ..Summary::default()
        };
        summary.rows.push(row("all", "snapkv", 0.503_125));
        let text = bars(&summary);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[3], "```");
        assert_eq!(lines[4].matches('█').count(), CELLS, "{text}");
        assert!(lines[5].starts_with("snapkv@25%  ████"), "{text}");
        assert_eq!(lines[5].matches('█').count(), 20, "{text}");
        assert!(lines[5].contains("█▏···"), "{text}");
        assert!(lines[5].ends_with("  50.3   25.0 %"), "{text}");
        assert_eq!(lines.len(), 7);
        assert_eq!(bars(&Summary::default()), "");
        // Scores that are none draw nothing.
        assert_eq!(bar(f64::NAN), "·".repeat(CELLS));
    }
}
