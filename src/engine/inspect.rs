//! What eviction decides for a prompt, and what it costs against the full cache.

use serde::Serialize;

use super::evict::Evictor;
use crate::cache::{KvCache, LayerState};
use crate::model::{Network, NoHooks, PrefillHooks, error::Result};

/// One layer's decisions.
#[derive(Clone, Debug, Serialize)]
pub struct LayerReport {
    /// Kept per KV head, window included.
    pub budgets: Vec<usize>,
    /// Kept positions per KV head, ascending.
    pub kept: Vec<Vec<u32>>,
    /// Share of the window's mean attention that the kept entries hold, per KV head.
    pub retained_mass: Vec<f32>,
    /// ‖y_full − y_evicted‖₁ of the attention output for the last prompt token.
    pub l1_loss: f64,
    /// ‖y_full‖₁
    pub l1_full: f64,
}

/// Decoding with the full cache.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FullReport {
    pub last_logits_top: Vec<(u32, f32)>,
    pub greedy: Vec<u32>,
}

/// Decoding with the evicted cache, no further eviction.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EvictedReport {
    pub greedy: Vec<u32>,
    /// KL(full ‖ evicted) per step in nats, both fed the full cache's tokens; from the second
    /// token on, since the first comes from the prefill itself.
    pub kl: Vec<f64>,
    pub kl_mean: f64,
    pub top1_agree: f64,
    pub first_divergence: Option<usize>,
}

/// Bytes of the cache.
#[derive(Clone, Debug, Default, Serialize)]
pub struct KvReport {
    pub used_bytes: u64,
    pub allocated_bytes: u64,
    pub peak_bytes: u64,
    pub full_bytes: u64,
    pub dtype: String,
}

/// Everything `cachat inspect` prints besides the settings.
#[derive(Clone, Debug)]
pub struct Inspection {
    pub layers: Vec<LayerReport>,
    pub full: FullReport,
    pub evicted: EvictedReport,
    pub kv: KvReport,
}

/// Evicts like a turn does and measures each layer on the way.
struct Measure<'a> {
    evictor: &'a Evictor,
    tokens: usize,
    layers: Vec<LayerReport>,
    peak: usize,
}

impl PrefillHooks for Measure<'_> {
    fn layer_done(
        &mut self,
        network: &dyn Network,
        staged: &mut [LayerState],
        before: &KvCache,
    ) -> Result<()> {
        let bytes = |l: &[LayerState]| l.iter().map(|s| s.layer.allocated_bytes()).sum::<usize>();
        self.peak = self.peak.max(bytes(staged) + before.allocated_bytes());
        let index = staged.len() - 1;
        let Some(state) = staged.last_mut() else {
            return Ok(());
        };
        let full = state.layer.clone();
        let kv_heads = full.lens().len();
        let y = network.attention_output(index, &full, &state.window)?;
        let position = before.position + self.tokens;
        let evicted = self.evictor.evict(network, index, state, position)?;
        let l1 = |y: &[f32]| y.iter().map(|&x| f64::from(x).abs()).sum::<f64>();
        let (retained_mass, l1_loss) = match evicted {
            Some(evicted) => {
                let small = network.attention_output(index, &state.layer, &state.window)?;
                let lost: Vec<f32> = y.iter().zip(&small).map(|(a, b)| a - b).collect();
                (evicted.report.retained, l1(&lost))
            }
            None => (vec![1.0; kv_heads], 0.0),
        };
        self.layers.push(LayerReport {
            budgets: state.layer.lens(),
            kept: (0..kv_heads)
                .map(|h| state.layer.positions(h).to_vec())
                .collect(),
            retained_mass,
            l1_loss,
            l1_full: l1(&y),
        });
        Ok(())
    }
}

/// Runs the prompt twice, with and without eviction, and decodes `generate` tokens from both.
pub fn inspect(
    network: &dyn Network,
    evictor: &Evictor,
    tokens: &[u32],
    generate: usize,
) -> Result<Inspection> {
    let window = evictor.params.window;
    let mut cache = network.empty_cache(window)?;
    let mut measure = Measure {
        evictor,
        tokens: tokens.len(),
        layers: Vec::new(),
        peak: 0,
    };
    // The first token comes from the full prefill: eviction happens behind each layer's queries.
    let first = network.prefill(&mut cache, tokens, &mut measure)?;
    let first = first.unwrap_or_default();
    let d = network.description();
    let (dtype, element) = network.kv_dtype();
    let kv = KvReport {
        used_bytes: cache.used_bytes() as u64,
        allocated_bytes: cache.allocated_bytes() as u64,
        peak_bytes: measure.peak as u64,
        full_bytes: (tokens.len() * d.all_kv_heads() * d.entry_bytes(element)) as u64,
        dtype: dtype.into(),
    };
    let mut full = FullReport {
        last_logits_top: top(&first, 50),
        greedy: Vec::new(),
    };
    let mut evicted = EvictedReport::default();
    if generate > 0 {
        let mut whole = network.empty_cache(window)?;
        network.prefill(&mut whole, tokens, &mut NoHooks)?;
        let mut forced = cache.clone();
        let teacher = decode(network, &mut whole, &first, generate, None)?;
        full.greedy = teacher.iter().map(|(id, _)| *id).collect();
        let student = decode(network, &mut forced, &first, generate, Some(&full.greedy))?;
        let free = decode(network, &mut cache, &first, generate, None)?;
        evicted.greedy = free.iter().map(|(id, _)| *id).collect();
        // Step 0 is the prefill's own logits, the same for both; the KL starts behind it.
        let steps = teacher.iter().zip(&student).skip(1);
        evicted.kl = steps.clone().map(|((_, p), (_, q))| kl(p, q)).collect();
        let agree = steps
            .filter(|((_, p), (_, q))| argmax(p) == argmax(q))
            .count();
        let steps = evicted.kl.len().max(1) as f64;
        evicted.kl_mean = evicted.kl.iter().sum::<f64>() / steps;
        evicted.top1_agree = agree as f64 / steps;
        let pairs = full.greedy.iter().zip(&evicted.greedy);
        evicted.first_divergence = pairs.into_iter().position(|(a, b)| a != b);
    }
    Ok(Inspection {
        layers: measure.layers,
        full,
        evicted,
        kv,
    })
}

/// Greedy decoding, or along `forced` tokens: per step the token and the logits it came from.
fn decode(
    network: &dyn Network,
    cache: &mut KvCache,
    first: &[f32],
    steps: usize,
    forced: Option<&[u32]>,
) -> Result<Vec<(u32, Vec<f32>)>> {
    let mut logits = first.to_vec();
    let mut out = Vec::with_capacity(steps);
    for step in 0..steps {
        let token = forced.map_or_else(|| argmax(&logits), |f| f[step]);
        let next = match step + 1 < steps {
            true => network.decode(cache, token, &|| false)?.unwrap_or_default(),
            false => Vec::new(),
        };
        out.push((token, std::mem::replace(&mut logits, next)));
    }
    Ok(out)
}

/// The likeliest token; the lowest id of equals.
pub(super) fn argmax(logits: &[f32]) -> u32 {
    let best = logits
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    best.map_or(0, |(i, _)| i as u32)
}

fn top(logits: &[f32], n: usize) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.truncate(n);
    all
}

/// KL(p ‖ q) of two rows of logits, in nats.
pub fn kl(p: &[f32], q: &[f32]) -> f64 {
    let log_softmax = |x: &[f32]| -> Vec<f64> {
        let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = x.iter().map(|&v| f64::from(v - max).exp()).sum();
        let log = sum.ln();
        x.iter().map(|&v| f64::from(v - max) - log).collect()
    };
    let (p, q) = (log_softmax(p), log_softmax(q));
    p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum()
}
