//! Speed and memory over contexts and policies as a table, row by row as they are measured.

use crate::engine::bench::BenchRow;

/// Heads of the columns.
pub fn header() -> String {
    format!(
        "{:<14}{:>8}{:>9}{:>14}{:>14}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}",
        "policy",
        "budget",
        "context",
        "prefill tok/s",
        "decode tok/s",
        "KV used",
        "KV peak",
        "KV full",
        "RSS peak",
        "own",
        "mapped",
        "again ms"
    )
}

/// One measured row, under [`header`].
pub fn line(row: &BenchRow) -> String {
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / 1048576.0);
    format!(
        "{:<14}{:>8}{:>9}{:>14.1}{:>14.1}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}",
        row.policy,
        row.budget.map_or("-".into(), |b| b.to_string()),
        row.context,
        row.prefill_tokens_per_second,
        row.decode_tokens_per_second,
        mib(row.kv_used_bytes),
        mib(row.kv_peak_bytes),
        mib(row.kv_full_bytes),
        row.rss_peak_bytes.map_or("-".into(), mib),
        mib(row.anonymous_peak_bytes),
        mib(row.mapped_peak_bytes),
        row.recall_ms.map_or("-".into(), |ms| format!("{ms:.0}")),
    )
}
