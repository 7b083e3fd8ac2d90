//! Speed and memory of one context length under one policy.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::evict::Evictor;
use super::lane::{Begin, Lane, Read, Reader, Voice};
use super::logits::likeliest;
use super::memory::ProcessMemory;
use super::picture::full_bytes;
use crate::archive::Archive;
use crate::model::{Layers, Logits, Network, error::Result};
use crate::policy::Params;

/// One row of `cachat bench`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BenchRow {
    pub policy: String,
    /// Entries per KV head; nothing for `full`.
    pub budget: Option<usize>,
    pub context: usize,
    pub prefill_tokens_per_second: f64,
    /// Evictions while decoding included.
    pub decode_tokens_per_second: f64,
    pub decode_ms_per_token: f64,
    pub time_to_first_token_ms: f64,
    /// Multiply–accumulates of the prefill in a second.
    pub prefill_macs_per_second: f64,
    /// Bytes of weights and of the cache that decoding reads in a second.
    pub decode_bytes_per_second: Option<f64>,
    /// Milliseconds of the prefill spent on eviction.
    pub eviction_ms: f64,
    pub kv_used_bytes: u64,
    pub kv_peak_bytes: u64,
    pub kv_full_bytes: u64,
    /// Most resident memory of the process during the row, where the system tells.
    pub rss_peak_bytes: Option<u64>,
    /// Most of the process's own memory while it read, and of the files that it maps (the model's, the
    /// archive's): the system takes those back when it needs to. Looked at between layers.
    pub anonymous_peak_bytes: u64,
    pub mapped_peak_bytes: u64,
    /// Of a device that tells: the most that was taken from its driver, and the most that was used of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_peak_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_used_peak_bytes: Option<u64>,
    /// What was to be expected of the process's own memory, by the file's numbers.
    pub estimated_bytes: Option<u64>,
    /// Where an archive is kept: milliseconds to the first token when everything was read before, by
    /// another run of the program.
    pub recall_ms: Option<f64>,
}

/// Prefills `context` tokens and decodes `generate` greedily behind them. `archive` opens an archive
/// that has nothing of it, or what is there already.
pub fn row(
    network: &Arc<dyn Network>,
    evictor: &Evictor,
    context: usize,
    generate: usize,
    archive: &dyn Fn() -> Option<Arc<Archive>>,
) -> Result<BenchRow> {
    // What the row before left is not this one's.
    crate::heap::give_back();
    forget_peak();
    network.forget_device_peak()?;
    let mut lane = Lane::archiving(network, *evictor, archive())?;
    let tokens = words(context, network.description().vocabulary);
    let mut memory = Memory::default();
    let begun = Instant::now();
    let read = read(&mut lane, &tokens, &mut memory)?;
    let prefill = begun.elapsed().as_secs_f64();
    let (logits, eviction_ms) =
        read.map_or_else(Default::default, |r| (r.logits, r.evicted.milliseconds));
    let begun = Instant::now();
    lane.decode(Begin::Logits(logits.into()), &mut Greedy { left: generate })?;
    let decode = begun.elapsed().as_secs_f64();
    let rss_peak_bytes = rss_peak();
    let device = network.device_memory();
    let recall_ms = match lane.archive() {
        Some(old) => {
            old.settle(std::time::Duration::from_secs(60));
            let mut again = Lane::archiving(network, *evictor, archive())?;
            let begun = Instant::now();
            self::read(&mut again, &tokens, &mut memory)?;
            Some(begun.elapsed().as_secs_f64() * 1000.0)
        }
        None => None,
    };
    let layers = lane.layers();
    Ok(BenchRow {
        policy: evictor.preset.name().into(),
        budget: evictor.bound_per_head(),
        context,
        prefill_tokens_per_second: context as f64 / prefill,
        decode_tokens_per_second: generate as f64 / decode.max(1e-9),
        decode_ms_per_token: decode * 1000.0 / generate.max(1) as f64,
        time_to_first_token_ms: prefill * 1000.0,
        prefill_macs_per_second: network.description().reading_macs(context) / prefill,
        decode_bytes_per_second: None,
        eviction_ms,
        kv_used_bytes: layers.used_bytes() as u64,
        kv_peak_bytes: lane.peak().held,
        kv_full_bytes: full_bytes(layers),
        rss_peak_bytes,
        anonymous_peak_bytes: memory.anonymous,
        mapped_peak_bytes: memory.mapped,
        device_peak_bytes: device.map(|d| d.usage.peak),
        device_used_peak_bytes: device.map(|d| d.usage.used_peak),
        estimated_bytes: None,
        recall_ms,
    })
}

/// Tokens that the network decodes in a second behind a short text.
///
/// # Errors
/// What the network says.
pub fn decode_speed(network: &Arc<dyn Network>) -> Result<f64> {
    const TEXT: usize = 64;
    const WARM: usize = 4;
    const TIMED: usize = 24;
    let d = network.description();
    let mut lane = Lane::new(network, Evictor::none(Params::default()))?;
    let text = words(TEXT.min(d.context / 2).max(1), d.vocabulary);
    let read = lane.read(&text, &mut Memory::default())?;
    let logits = read.map_or_else(Vec::new, |read| read.logits);
    let mut timed = Greedy { left: WARM };
    lane.decode(Begin::Logits(logits.into()), &mut timed)?;
    // The first is given.
    timed.left = TIMED - 1;
    let begun = Instant::now();
    lane.decode(Begin::Token(0), &mut timed)?;
    Ok(TIMED as f64 / begun.elapsed().as_secs_f64().max(1e-9))
}

/// What is archived of `tokens` is recalled, the rest is read.
fn read(lane: &mut Lane, tokens: &[u32], memory: &mut Memory) -> Result<Option<Read>> {
    match lane.archive() {
        Some(_) => {
            let from = lane.recallable(tokens);
            lane.recall(tokens, from, memory)
        }
        None => lane.read(tokens, memory),
    }
}

/// The most that the process took.
#[derive(Default)]
struct Memory {
    anonymous: u64,
    mapped: u64,
}

impl Reader for Memory {
    fn before_eviction(&mut self, _: usize, _: &dyn Layers) -> Result<()> {
        let now = ProcessMemory::now();
        self.anonymous = self.anonymous.max(now.anonymous());
        self.mapped = self.mapped.max(now.mapped);
        Ok(())
    }
}

/// Feeds the likeliest token so many times.
struct Greedy {
    left: usize,
}

impl Voice for Greedy {
    fn next(&mut self, _: &Lane, logits: Logits) -> Result<Option<u32>> {
        let token = likeliest(logits)?;
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
