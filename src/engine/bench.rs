//! Speed and memory of one context length under one policy.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::evict::Evictor;
use super::lane::{Begin, Lane, Unread, Voice};
use super::logits::argmax;
use super::picture::full_bytes;
use crate::model::{Network, error::Result};

/// One row of `cachat bench`.
#[derive(Clone, Debug, Serialize)]
pub struct BenchRow {
    pub policy: String,
    /// Entries per KV head; nothing for `full`.
    pub budget: Option<usize>,
    pub context: usize,
    pub prefill_tokens_per_second: f64,
    /// Evictions while decoding included.
    pub decode_tokens_per_second: f64,
    pub time_to_first_token_ms: f64,
    /// Milliseconds of the prefill spent on eviction.
    pub eviction_ms: f64,
    pub kv_used_bytes: u64,
    pub kv_peak_bytes: u64,
    pub kv_full_bytes: u64,
    /// Most resident memory of the process during the row, where the system tells.
    pub rss_peak_bytes: Option<u64>,
}

/// Prefills `context` tokens and decodes `generate` greedily behind them.
pub fn row(
    network: &Arc<dyn Network>,
    evictor: &Evictor,
    context: usize,
    generate: usize,
) -> Result<BenchRow> {
    forget_peak();
    let mut lane = Lane::new(network, *evictor)?;
    let tokens = words(context, network.description().vocabulary);
    let begun = Instant::now();
    let read = lane.read(&tokens, &mut Unread)?;
    let prefill = begun.elapsed().as_secs_f64();
    let (logits, eviction_ms) =
        read.map_or_else(Default::default, |r| (r.logits, r.evicted.milliseconds));
    let begun = Instant::now();
    lane.decode(Begin::Logits(logits), &mut Greedy { left: generate })?;
    let decode = begun.elapsed().as_secs_f64();
    let layers = lane.layers();
    Ok(BenchRow {
        policy: evictor.preset.name().into(),
        budget: evictor.bound_per_head(),
        context,
        prefill_tokens_per_second: context as f64 / prefill,
        decode_tokens_per_second: generate as f64 / decode.max(1e-9),
        time_to_first_token_ms: prefill * 1000.0,
        eviction_ms,
        kv_used_bytes: layers.used_bytes() as u64,
        kv_peak_bytes: lane.peak().held,
        kv_full_bytes: full_bytes(layers),
        rss_peak_bytes: rss_peak(),
    })
}

/// Feeds the likeliest token so many times.
struct Greedy {
    left: usize,
}

impl Voice for Greedy {
    fn next(&mut self, _: &Lane, logits: Vec<f32>) -> Result<Option<u32>> {
        let token = argmax(&logits);
        let more = self.left > 0;
        self.left = self.left.saturating_sub(1);
        Ok(more.then_some(token))
    }
}

/// A run of ordinary tokens, the same every time.
fn words(count: usize, vocabulary: usize) -> Vec<u32> {
    let span = vocabulary.clamp(1, 32_000) as u64;
    (0..count as u64)
        .map(|i| (i * i * 31 + i * 7919 + 17) % span)
        .map(|id| id as u32)
        .collect()
}

/// Starts the system's peak anew (Linux); without it the peak is the process's so far.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn rss_peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
