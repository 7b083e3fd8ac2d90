//! A comparison of policies as a table.

use crate::engine::compare::{Past, Plan, PolicyRun};

/// Heads of the columns.
const HEADS: [&str; 10] = [
    "policy",
    "budget",
    "KV cache",
    "of full",
    "keeps",
    "KL",
    "top-1",
    "differs",
    "prefill",
    "decode tok/s",
];

/// One run's cells.
fn cells(run: &PolicyRun) -> [String; 10] {
    let dash = || "-".to_owned();
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    [
        run.policy.clone(),
        run.budget.map_or_else(dash, |n| n.to_string()),
        format!("{:.2} MiB", run.kv_used_bytes as f64 / 1_048_576.0),
        percent(run.kv_used_bytes as f64 / run.kv_full_bytes.max(1) as f64),
        percent(run.retained_mass),
        run.kl_mean.map_or_else(dash, |kl| format!("{kl:.4}")),
        run.top1_agree.map_or_else(dash, percent),
        match (run.first_divergence, run.kl_mean) {
            (Some(at), _) => format!("token {}", at + 1),
            (None, Some(_)) => "nowhere".to_owned(),
            (None, None) => dash(),
        },
        format!("{:.2} s", run.prefill_seconds),
        format!("{:.1}", run.decode_tokens_per_second),
    ]
}

/// How the runs were made, in a sentence.
pub fn conditions(plan: &Plan) -> String {
    let past = match plan.past {
        Past::Empty => "from an empty cache",
        Past::Shared => "on top of the conversation's own cache",
        Past::Archived => "from the conversation's archive",
        Past::Reread => "the whole conversation read anew under each policy",
    };
    let left_out = match plan.left_out {
        true => ", its earlier answer left out",
        false => "",
    };
    let within = plan.within().map_or_else(String::new, |budget| {
        format!(
            "; nothing is evicted: {} fit the budget of {budget}",
            plan.position
        )
    });
    format!(
        "{} tokens read, {past}{left_out}; greedy, at most {} tokens{within}",
        plan.prompt_tokens, plan.max_tokens
    )
}

/// Aligned columns for a terminal.
pub fn table(runs: &[&PolicyRun]) -> String {
    let rows: Vec<[String; 10]> = std::iter::once(HEADS.map(str::to_owned))
        .chain(runs.iter().map(|r| cells(r)))
        .collect();
    let wide = |i: usize| rows.iter().map(|r| r[i].chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for row in &rows {
        for (i, cell) in row.iter().enumerate() {
            out.push_str(&match i {
                0 => format!("{cell:<w$}", w = wide(0)),
                _ => format!("  {cell:>w$}", w = wide(i)),
            });
        }
        out.push('\n');
    }
    out
}

/// The table and the answers, without their thoughts, as Markdown.
pub fn markdown(plan: &Plan, runs: &[&PolicyRun]) -> String {
    let line = |cells: [String; 10]| format!("| {} |\n", cells.join(" | "));
    let mut out = format!("## Comparison\n\n{}.\n\n", conditions(plan));
    out.push_str(&line(HEADS.map(str::to_owned)));
    out.push_str(&format!("|{}\n", "---|".repeat(HEADS.len())));
    for run in runs {
        out.push_str(&line(cells(run)));
    }
    for run in runs {
        out.push_str(&format!("\n### {}\n\n{}\n", run.policy, run.said().trim()));
    }
    out
}
