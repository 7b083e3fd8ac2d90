//! The table for people.

use super::grouping::{ALL, distinct};
use super::{Across, Pair, Row, Summary, TextPair, TextRow};

/// Markdown: scores in hundredths, as the field writes them.
pub fn markdown(summary: &Summary) -> String {
    let mut out = String::new();
    if !summary.rows.is_empty() || summary.texts.is_empty() {
        asked(&mut out, summary);
    }
    if !summary.rows.is_empty() && !summary.texts.is_empty() {
        out.push('\n');
    }
    if !summary.texts.is_empty() {
        followed(&mut out, summary);
    }
    out
}

/// Questions.
fn asked(out: &mut String, summary: &Summary) {
    let heads = [
        "set", "mode", "policy", "budget", "n", "score", "95 %", "to full", "KL", "kept",
        "KV cache",
    ];
    let rows = summary.rows.iter();
    table(out, &heads, rows.map(|r| row(r, set(r, summary))));
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
        table(out, &heads, summary.paired.iter().map(pair));
    }
    let modes = |row: &Across| (row.a.clone(), row.b.clone());
    for (a, b) in distinct(summary.across_modes.iter().map(modes)) {
        out.push_str(&format!(
            "\nThe modes {a} and {b} over the same questions:\n\n"
        ));
        let heads = [
            "policy",
            "budget",
            "n",
            a.as_str(),
            b.as_str(),
            "difference",
            "95 %",
        ];
        let rows = summary.across_modes.iter();
        table(
            out,
            &heads,
            rows.filter(|row| modes(row) == (a.clone(), b.clone()))
                .map(across),
        );
    }
}

/// Texts of one's own.
fn followed(out: &mut String, summary: &Summary) {
    out.push_str("How texts go on, against the full cache:\n\n");
    let heads = [
        "text",
        "policy",
        "budget",
        "n",
        "KL",
        "95 %",
        "median",
        "p99",
        "same",
        "perplexity",
        "differs at",
        "retained",
        "L1",
        "≤ ε",
        "lost",
        "kept",
        "KV cache",
    ];
    table(out, &heads, summary.texts.iter().map(text));
    if !summary.paired_texts.is_empty() {
        out.push_str("\nOver the same passages of all texts:\n\n");
        let heads = [
            "policy",
            "against",
            "n",
            "KL",
            "95 %",
            "ln perplexity",
            "95 %",
        ];
        table(out, &heads, summary.paired_texts.iter().map(text_pair));
    }
}

fn text(row: &TextRow) -> Vec<String> {
    // The full cache is what the others are held against.
    let against = |cell: String| match row.policy == "full" {
        true => "-".to_owned(),
        false => cell,
    };
    vec![
        row.dataset.clone(),
        row.policy.clone(),
        row.budget.clone(),
        row.n.to_string(),
        against(format!("{:.4}", row.kl_mean)),
        against(format!("{:.4} – {:.4}", row.low, row.high)),
        against(format!("{:.4}", row.kl_median)),
        against(format!("{:.3}", row.kl_p99)),
        against(format!("{} %", hundredths(row.top1))),
        format!("{:.3}", row.perplexity),
        against(format!("{:.0}", row.first_divergence)),
        against(format!("{} %", hundredths(row.retained))),
        against(format!("{} %", hundredths(row.l1))),
        against(format!("{:.0} %", 100.0 * row.bound)),
        against(format!("{} %", hundredths(row.lost))),
        format!("{} %", hundredths(row.kept_share)),
        mebibytes(row.bytes),
    ]
}

fn text_pair(pair: &TextPair) -> Vec<String> {
    vec![
        pair.a.clone(),
        pair.b.clone(),
        pair.n.to_string(),
        nats(pair.kl),
        format!("{} – {}", nats(pair.kl_low), nats(pair.kl_high)),
        nats(pair.surprise),
        format!("{} – {}", nats(pair.surprise_low), nats(pair.surprise_high)),
    ]
}

fn across(row: &Across) -> Vec<String> {
    vec![
        row.policy.clone(),
        row.budget.clone(),
        row.n.to_string(),
        hundredths(row.score_a),
        hundredths(row.score_b),
        signed(row.difference),
        format!("{} – {}", signed(row.low), signed(row.high)),
    ]
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
        counted(mebibytes(row.bytes)),
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

fn mebibytes(bytes: u64) -> String {
    format!("{:.2} MiB", bytes as f64 / 1_048_576.0)
}

/// A difference in nats.
fn nats(value: f64) -> String {
    format!("{:+.4}", (value * 10_000.0).round() / 10_000.0 + 0.0).replace('-', "−")
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
