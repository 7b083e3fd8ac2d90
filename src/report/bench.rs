//! Speed and memory over contexts and policies as a table, row by row as they are measured.

use crate::engine::bench::BenchRow;
use crate::engine::event::DeviceMemory;
use crate::engine::throughput::Limits;
use crate::human;

/// What was loaded, and how fast.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Loaded {
    /// From the file to a model that can answer.
    pub seconds: f64,
    pub file_bytes: u64,
    /// As the kernels keep them.
    pub weight_bytes: u64,
    /// The process's own memory then, and what of its files is in memory.
    pub anonymous_bytes: u64,
    pub mapped_bytes: u64,
    /// Where the model is on a device that tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceMemory>,
}

/// Two lines above the table: what was loaded, and what the machine can do.
pub fn conditions(loaded: &Loaded, limits: Option<&Limits>) -> String {
    let rate = loaded.file_bytes as f64 / loaded.seconds.max(1e-9);
    let mut text = format!(
        "loaded {} in {:.2} s ({:.2} GB/s): weights {}, the process {} of its own and {} mapped",
        human::bytes(loaded.file_bytes),
        loaded.seconds,
        rate / 1e9,
        human::bytes(loaded.weight_bytes),
        human::bytes(loaded.anonymous_bytes),
        human::bytes(loaded.mapped_bytes),
    );
    if let Some(device) = &loaded.device {
        text.push_str(&format!(
            "\nthe device holds {}: weights {}, pages {}, working {}",
            human::bytes(device.usage.allocated),
            human::bytes(device.weights),
            human::bytes(device.usage.slabs),
            human::bytes(device.rest()),
        ));
        if let (Some(total), Some(free)) = (device.total, device.free) {
            let (total, free) = (human::bytes(total), human::bytes(free));
            text.push_str(&format!("; its driver has {free} of {total} left"));
        }
    }
    if let Some(limits) = limits {
        text.push_str(&format!(
            "\nthis machine reads {:.1} GB/s from memory and multiplies {:.0} GMAC/s at most (as \
             prompts are, in its caches)",
            limits.read_bytes_per_second / 1e9,
            limits.macs_per_second / 1e9
        ));
    }
    text
}

/// Heads of the columns.
pub fn header() -> String {
    format!(
        "{:<14}{:>8}{:>9}{:>14}{:>8}{:>13}{:>8}{:>7}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}",
        "policy",
        "budget",
        "context",
        "prefill tok/s",
        "GMAC/s",
        "decode tok/s",
        "ms/tok",
        "GB/s",
        "KV used",
        "KV peak",
        "KV full",
        "RSS peak",
        "own",
        "mapped",
        "device",
        "again ms"
    )
}

/// One measured row, under [`header`].
pub fn line(row: &BenchRow) -> String {
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / 1048576.0);
    format!(
        "{:<14}{:>8}{:>9}{:>14.1}{:>8.0}{:>13.1}{:>8.2}{:>7}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}",
        row.policy,
        row.budget.map_or("-".into(), |b| b.to_string()),
        row.context,
        row.prefill_tokens_per_second,
        row.prefill_macs_per_second / 1e9,
        row.decode_tokens_per_second,
        row.decode_ms_per_token,
        row.decode_bytes_per_second
            .map_or("-".into(), |b| format!("{:.1}", b / 1e9)),
        mib(row.kv_used_bytes),
        mib(row.kv_peak_bytes),
        mib(row.kv_full_bytes),
        row.rss_peak_bytes.map_or("-".into(), mib),
        mib(row.anonymous_peak_bytes),
        mib(row.mapped_peak_bytes),
        row.device_peak_bytes.map_or("-".into(), mib),
        row.recall_ms.map_or("-".into(), |ms| format!("{ms:.0}")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_loaded_and_what_the_machine_can_do_stand_above_the_table() {
        let loaded = Loaded {
            seconds: 0.5,
            file_bytes: 1 << 30,
            weight_bytes: 1 << 30,
            anonymous_bytes: 1100 << 20,
            mapped_bytes: 20 << 20,
            device: None,
        };
        let limits = Limits {
            read_bytes_per_second: 38.2e9,
            macs_per_second: 412e9,
        };
        assert_eq!(
            conditions(&loaded, Some(&limits)),
            "loaded 1.00 GiB in 0.50 s (2.15 GB/s): weights 1.00 GiB, the process 1.07 GiB of its own and \
             20.0 MiB mapped\nthis machine reads 38.2 GB/s from memory and multiplies 412 GMAC/s at most \
             (as prompts are, in its caches)"
        );
        assert!(!conditions(&loaded, None).contains("machine"));
        let mut device = DeviceMemory {
            total: Some(80 << 30),
            free: Some(78 << 30),
            weights: 1 << 30,
            ..DeviceMemory::default()
        };
        (device.usage.allocated, device.usage.slabs) = (1100 << 20, 4 << 20);
        let on_device = Loaded {
            device: Some(device),
            ..loaded
        };
        let said = conditions(&on_device, None);
        let line = said.lines().nth(1).unwrap();
        assert_eq!(
            line,
            "the device holds 1.07 GiB: weights 1.00 GiB, pages 4.00 MiB, working 72.0 MiB; its driver has \
             78.0 GiB of 80.0 GiB left"
        );
    }
}
