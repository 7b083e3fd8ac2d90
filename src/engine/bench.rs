//! Speed and memory of one context length under one policy.

use std::time::Instant;

use serde::Serialize;

use super::decode::make_room;
use super::evict::Evictor;
use crate::cache::{KvCache, LayerState};
use crate::model::{Network, PrefillHooks, error::Result};

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
    network: &dyn Network,
    evictor: &Evictor,
    context: usize,
    generate: usize,
) -> Result<BenchRow> {
    let d = network.description();
    forget_peak();
    let mut cache = network.empty_cache(evictor.params.window)?;
    let mut hooks = Measure {
        evictor,
        tokens: context,
        peak: 0,
        eviction_ms: 0.0,
    };
    let tokens = words(context, d.vocabulary);
    let begun = Instant::now();
    let logits = network.prefill(&mut cache, &tokens, &mut hooks)?;
    let mut token = super::inspect::argmax(&logits.unwrap_or_default());
    let prefill = begun.elapsed().as_secs_f64();
    let mut peak = hooks.peak;
    let begun = Instant::now();
    for _ in 0..generate {
        make_room(network, &mut cache, evictor)?;
        let logits = network.decode(&mut cache, token, &|| false)?;
        token = super::inspect::argmax(&logits.unwrap_or_default());
        peak = peak.max(cache.allocated_bytes() as u64);
    }
    let decode = begun.elapsed().as_secs_f64();
    let entry = d.entry_bytes(network.kv_dtype().1);
    Ok(BenchRow {
        policy: evictor.preset.name().into(),
        budget: evictor.bounded().then_some(evictor.budget),
        context,
        prefill_tokens_per_second: context as f64 / prefill,
        decode_tokens_per_second: generate as f64 / decode.max(1e-9),
        time_to_first_token_ms: prefill * 1000.0,
        eviction_ms: hooks.eviction_ms,
        kv_used_bytes: cache.used_bytes() as u64,
        kv_peak_bytes: peak,
        kv_full_bytes: (cache.position * d.all_kv_heads() * entry) as u64,
        rss_peak_bytes: rss_peak(),
    })
}

/// A run of ordinary tokens, the same every time.
fn words(count: usize, vocabulary: usize) -> Vec<u32> {
    let span = vocabulary.clamp(1, 32_000) as u64;
    (0..count as u64)
        .map(|i| (i * i * 31 + i * 7919 + 17) % span)
        .map(|id| id as u32)
        .collect()
}

struct Measure<'a> {
    evictor: &'a Evictor,
    tokens: usize,
    peak: u64,
    eviction_ms: f64,
}

impl PrefillHooks for Measure<'_> {
    fn layer_done(
        &mut self,
        network: &dyn Network,
        staged: &mut [LayerState],
        before: &KvCache,
    ) -> Result<()> {
        let allocated: usize = staged.iter().map(|s| s.layer.allocated_bytes()).sum();
        self.peak = self.peak.max((allocated + before.allocated_bytes()) as u64);
        let index = staged.len().saturating_sub(1);
        let begun = Instant::now();
        if let Some(state) = staged.last_mut() {
            self.evictor
                .evict(network, index, state, before.position + self.tokens)?;
        }
        self.eviction_ms += begun.elapsed().as_secs_f64() * 1000.0;
        Ok(())
    }
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
