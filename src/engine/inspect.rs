//! What eviction decides for a prompt, and what it costs against the full cache.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::evict::Evictor;
use super::lane::{Begin, Lane, Reader, Unread, Voice};
use super::logits::{argmax, kl, top};
use super::picture::full_bytes;
use crate::model::{DeviceMemory, Layers, Logits, Network, error::Result};

/// One layer's decisions.
#[derive(Clone, Debug, Serialize)]
pub struct LayerReport {
    /// What the layer sees, where that is a sliding window: it keeps the newest entries whatever the
    /// policy, and loses nothing that a query would see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sliding_window: Option<usize>,
    /// Bytes of the layer's state, where it has one in place of entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_bytes: Option<usize>,
    /// The earlier layer whose entries the layer sees, where it holds none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_layer: Option<usize>,
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
    /// Of those steps; nothing where there are none.
    pub kl_mean: Option<f64>,
    /// Share of those steps in which the likeliest token is the same; nothing where there are none.
    pub top1_agree: Option<f64>,
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
    /// What is taken of a device that tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceMemory>,
}

/// Everything `cachat inspect` prints besides the settings.
#[derive(Clone, Debug)]
pub struct Inspection {
    pub layers: Vec<LayerReport>,
    pub full: FullReport,
    pub evicted: EvictedReport,
    pub kv: KvReport,
}

/// Measures each layer on the way of a read.
struct Outputs {
    /// By layer: those that others see are done behind them.
    layers: BTreeMap<usize, LayerOutput>,
}

/// A layer's attention output for the last prompt token, before and after its eviction.
struct LayerOutput {
    full: Vec<f32>,
    evicted: Option<Vec<f32>>,
}

impl LayerOutput {
    fn loss(&self) -> f64 {
        let evicted = self.evicted.as_ref().map_or(&self.full, |y| y);
        let lost: Vec<f32> = self.full.iter().zip(evicted).map(|(a, b)| a - b).collect();
        l1(&lost)
    }
}

fn l1(y: &[f32]) -> f64 {
    y.iter().map(|&x| f64::from(x).abs()).sum()
}

impl Reader for Outputs {
    fn before_eviction(&mut self, layer: usize, layers: &dyn Layers) -> Result<()> {
        let output = LayerOutput {
            full: layers.attention_output(layer)?,
            evicted: None,
        };
        self.layers.insert(layer, output);
        Ok(())
    }

    fn cut(&mut self, layer: usize, layers: &dyn Layers) -> Result<()> {
        let evicted = layers.attention_output(layer)?;
        if let Some(measured) = self.layers.get_mut(&layer) {
            measured.evicted = Some(evicted);
        }
        Ok(())
    }
}

/// Runs the prompt twice, with and without eviction, and decodes `generate` tokens from both.
pub fn inspect(
    network: &Arc<dyn Network>,
    evictor: &Evictor,
    tokens: &[u32],
    generate: usize,
) -> Result<Inspection> {
    let mut lane = Lane::new(network, *evictor)?;
    let mut measure = Outputs {
        layers: BTreeMap::new(),
    };
    // The first token comes from the full prefill: eviction happens behind each layer's queries.
    let read = lane.read(tokens, &mut measure)?;
    let (first, evictions) = read.map_or_else(Default::default, |r| (r.logits, r.evicted.layers));
    let layers = lane.layers();
    let kv = KvReport {
        used_bytes: layers.used_bytes() as u64,
        allocated_bytes: layers.allocated_bytes() as u64,
        peak_bytes: lane.peak().held,
        full_bytes: full_bytes(layers),
        dtype: network.kv_dtype().0.into(),
        device: network.device_memory(),
    };
    let mut reports = Vec::with_capacity(measure.layers.len());
    for (&l, measured) in &measure.layers {
        let budgets = layers.lens(l);
        let shape = &layers.description().layers[l];
        let evicted = evictions.iter().find(|e| e.layer == l);
        reports.push(LayerReport {
            sliding_window: shape.window(),
            state_bytes: Some(shape.state_bytes()).filter(|&bytes| bytes > 0),
            source_layer: shape.source(),
            kept: (0..budgets.len())
                .map(|h| layers.positions(l, h).to_vec())
                .collect(),
            retained_mass: match evicted {
                Some(evicted) => evicted.retained.clone(),
                None => vec![1.0; budgets.len()],
            },
            l1_loss: measured.loss(),
            l1_full: l1(&measured.full),
            budgets,
        });
    }
    let mut full = FullReport {
        last_logits_top: top(&first, 50),
        greedy: Vec::new(),
    };
    let mut evicted = EvictedReport::default();
    if generate > 0 {
        let keep = Evictor::none(evictor.params);
        let mut whole = Lane::new(network, keep)?;
        whole.read(tokens, &mut Unread)?;
        let mut forced = lane.fork(keep);
        let mut free = lane.fork(keep);
        let teacher = decode(&mut whole, &first, generate, None)?;
        full.greedy = teacher.iter().map(|(id, _)| *id).collect();
        let student = decode(&mut forced, &first, generate, Some(&full.greedy))?;
        let free = decode(&mut free, &first, generate, None)?;
        evicted.greedy = free.iter().map(|(id, _)| *id).collect();
        // Step 0 is the prefill's own logits, the same for both; the KL starts behind it.
        let steps = teacher.iter().zip(&student).skip(1);
        evicted.kl = steps.clone().map(|((_, p), (_, q))| kl(p, q)).collect();
        let agree = steps
            .filter(|((_, p), (_, q))| argmax(p) == argmax(q))
            .count();
        let steps = evicted.kl.len();
        let mean = |sum: f64| (steps > 0).then(|| sum / steps as f64);
        evicted.kl_mean = mean(evicted.kl.iter().sum());
        evicted.top1_agree = mean(agree as f64);
        let pairs = full.greedy.iter().zip(&evicted.greedy);
        evicted.first_divergence = pairs.into_iter().position(|(a, b)| a != b);
    }
    Ok(Inspection {
        layers: reports,
        full,
        evicted,
        kv,
    })
}

/// Greedy decoding, or along `forced` tokens: per step the token and the logits it came from.
fn decode(
    lane: &mut Lane,
    first: &[f32],
    steps: usize,
    forced: Option<&[u32]>,
) -> Result<Vec<(u32, Vec<f32>)>> {
    let mut voice = Steps {
        steps,
        forced,
        out: Vec::with_capacity(steps),
    };
    lane.decode(Begin::Logits(first.to_vec().into()), &mut voice)?;
    Ok(voice.out)
}

struct Steps<'a> {
    steps: usize,
    forced: Option<&'a [u32]>,
    out: Vec<(u32, Vec<f32>)>,
}

impl Voice for Steps<'_> {
    fn next(&mut self, _: &Lane, logits: Logits) -> Result<Option<u32>> {
        let logits = logits.whole()?;
        let step = self.out.len();
        let token = self.forced.map_or_else(|| argmax(&logits), |f| f[step]);
        self.out.push((token, logits));
        Ok((step + 1 < self.steps).then_some(token))
    }
}
