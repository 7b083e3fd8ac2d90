//! The table for people.

use super::{ALL, Pair, Row, Summary};

/// Markdown: scores in hundredths, as the field writes them.
pub fn markdown(summary: &Summary) -> String {
    let mut out = String::new();
    let heads = [
        "set", "mode", "policy", "budget", "n", "score", "95 %", "to full", "KL", "kept",
        "KV cache",
    ];
    let rows = summary.rows.iter();
    table(&mut out, &heads, rows.map(|r| row(r, set(r, summary))));
    for mode in summary.modes() {
        let left_out = summary.widest(mode).first().map_or(0, |row| row.left_out);
        if left_out > 0 {
            out.push_str(&format!(
                "\nQuestions left out in the mode {mode}, since a conversation had no room for them: {left_out}\n"
            ));
        }
    }
    if !summary.paired.is_empty() {
        out.push_str("\nOver the same texts of all sets:\n\n");
        let heads = ["mode", "policy", "against", "n", "difference", "95 %"];
        table(&mut out, &heads, summary.paired.iter().map(pair));
    }
    out
}

/// A set's name, with its kind where there is another row of that name.
fn set(row: &Row, summary: &Summary) -> String {
    let mut rows = summary.rows.iter();
    match row.task != ALL && rows.any(|r| r.dataset == row.dataset && r.task != row.task) {
        true => format!("{}/{}", row.task, row.dataset),
        false => row.dataset.clone(),
    }
}

fn row(row: &Row, set: String) -> Vec<String> {
    let dash = || "-".to_owned();
    // Of no texts there is nothing to say.
    let counted = |cell: String| if row.n > 0 { cell } else { dash() };
    vec![
        set,
        row.mode.clone(),
        row.policy.clone(),
        row.budget.clone(),
        row.n.to_string(),
        counted(hundredths(row.score)),
        counted(format!(
            "{} – {}",
            hundredths(row.low),
            hundredths(row.high)
        )),
        row.vs_full.map_or_else(dash, signed),
        row.kl_mean.map_or_else(dash, |kl| format!("{kl:.4}")),
        counted(format!("{} %", hundredths(row.kept_share))),
        counted(format!("{:.2} MiB", row.bytes as f64 / 1_048_576.0)),
    ]
}

fn pair(pair: &Pair) -> Vec<String> {
    vec![
        pair.mode.clone(),
        pair.a.clone(),
        pair.b.clone(),
        pair.n.to_string(),
        signed(pair.difference),
        format!("{} – {}", signed(pair.low), signed(pair.high)),
    ]
}

fn hundredths(value: f64) -> String {
    format!("{:.1}", value * 100.0)
}

fn signed(value: f64) -> String {
    // No "-0.0".
    format!("{:+.1}", (value * 1000.0).round() / 10.0 + 0.0).replace('-', "−")
}

/// Aligned, so that it can be read as it is.
fn table(out: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    // A bar in a name would be a column.
    let plain = |cell: String| cell.replace('|', "/").replace('\n', " ");
    let heads: Vec<String> = heads.iter().map(|&head| head.to_owned()).collect();
    let mut all = vec![heads];
    all.extend(rows.map(|row| row.into_iter().map(plain).collect()));
    let wide = |i: usize| all.iter().map(|row| row[i].chars().count()).max();
    let wide: Vec<usize> = (0..all[0].len()).map(|i| wide(i).unwrap_or(0)).collect();
    for (i, row) in all.iter().enumerate() {
        out.push('|');
        for (cell, wide) in row.iter().zip(&wide) {
            let gap = " ".repeat(wide - cell.chars().count());
            out.push_str(&format!(" {cell}{gap} |"));
        }
        out.push('\n');
        if i == 0 {
            let lines: Vec<String> = wide.iter().map(|n| "-".repeat(n + 2)).collect();
            out.push_str(&format!("|{}|\n", lines.join("|")));
        }
    }
}
