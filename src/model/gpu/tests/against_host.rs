//! The same prompts and tokens through both: the same logits, the same kept sets.

use std::path::Path;
use std::sync::Arc;

use candle_core::quantized::GgmlDType;

use crate::gpu::emulated::Emulated;
use crate::gpu::{Element, Gpu};
use crate::model::decoder::Decoder;
use crate::model::gguf::GgufFile;
use crate::model::gpu::Executor;
use crate::model::host::Host;
use crate::model::network::{Network, NoHooks, Sequence};
use crate::policy::{Choice, Needs, Observed, Round};
use crate::testing::{TinySpec, write_tiny_gguf};

/// Launches in an order of their own in every test.
pub fn emulated(seed: u64) -> Arc<Gpu> {
    Gpu::new(Box::new(Emulated::new(seed).unwrap()))
}

fn open(path: &Path) -> Arc<GgufFile> {
    Arc::new(GgufFile::open(path).unwrap())
}

pub fn written(spec: &TinySpec) -> Arc<GgufFile> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tiny.gguf");
    write_tiny_gguf(&path, spec).unwrap();
    open(&path)
}

/// Both, exact.
fn both(gpu: Arc<Gpu>, file: &Arc<GgufFile>, window: usize) -> [Box<dyn Sequence>; 2] {
    let host = Decoder::load(Host::<f32>::new(1, true), file, &|_| {}).unwrap();
    let executor = Executor::new(gpu, Element::F32, true, true);
    let gpu = Decoder::load(executor, file, &|_| {}).unwrap();
    [
        Arc::new(host).sequence(window).unwrap(),
        Arc::new(gpu).sequence(window).unwrap(),
    ]
}

pub fn close(a: &[f32], b: &[f32], within: f32, what: &str) {
    assert_eq!(a.len(), b.len());
    let largest = a.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        let off = (a - b).abs();
        assert!(
            off <= within * largest.max(1.0),
            "{what}: {a} and {b} at {i}"
        );
    }
}

/// Asks for everything and keeps it.
#[derive(Default)]
struct Looks(Vec<Observed>);

impl Round for Looks {
    fn needs(&self) -> Needs {
        Needs {
            peak: true,
            keys: true,
            values: true,
            queries: true,
            projected: true,
        }
    }

    fn observe(&mut self, _layer: usize, heads: Vec<Observed>) -> Vec<Choice> {
        self.0 = heads;
        Vec::new()
    }
}

fn observed(sequence: &dyn Sequence, layer: usize) -> Vec<Observed> {
    let mut looks = Looks::default();
    sequence.select(layer, 0, &mut looks).unwrap();
    looks.0
}

fn same_everywhere([host, gpu]: &[Box<dyn Sequence>; 2], within: f32) {
    for layer in 0..host.count() {
        assert_eq!(host.lens(layer), gpu.lens(layer));
        let (a, b) = (observed(&**host, layer), observed(&**gpu, layer));
        for (a, b) in a.iter().zip(&b) {
            assert_eq!(a.positions, b.positions);
            close(&a.scores.mean, &b.scores.mean, within, "mean");
            close(&a.scores.peak, &b.scores.peak, within, "peak");
            close(&a.keys, &b.keys, within, "keys");
            close(&a.values, &b.values, within, "values");
            close(&a.queries, &b.queries, within, "queries");
            close(&a.projected, &b.projected, within, "projected");
            assert_eq!(a.projected.len(), a.positions.len());
        }
        let (a, b) = (host.attention_output(layer), gpu.attention_output(layer));
        close(&a.unwrap(), &b.unwrap(), within, "attention output");
    }
}

#[test]
fn prompts_answers_and_evictions_come_to_the_same() {
    for spec in [TinySpec::llama(), TinySpec::qwen2()] {
        prompts_answers_and_evictions(&emulated(3), spec);
    }
}

pub fn prompts_answers_and_evictions(gpu: &Arc<Gpu>, spec: TinySpec) {
    let file = written(&TinySpec {
        context: 512,
        ..spec
    });
    let mut both = both(gpu.clone(), &file, 8);
    let tokens: Vec<u32> = (0..150).map(|i| (i * 7 % 250) as u32).collect();
    let logits = both
        .each_mut()
        .map(|s| s.prefill(&tokens, &mut NoHooks).unwrap().unwrap());
    close(&logits[0], &logits[1], 1e-4, "prompt");
    same_everywhere(&both, 1e-4);
    // Ragged: heads keep other numbers of entries.
    for sequence in &mut both {
        for layer in 0..sequence.count() {
            let kept = sequence
                .lens(layer)
                .into_iter()
                .enumerate()
                .map(|(h, len)| {
                    (0..len as u32)
                        .filter(|i| i % (h as u32 + 2) != 1 || *i > 130)
                        .collect()
                });
            let kept: Vec<Vec<u32>> = kept.collect();
            sequence.keep(layer, &kept).unwrap();
        }
    }
    same_everywhere(&both, 1e-4);
    for token in 0..70 {
        let logits = both
            .each_mut()
            .map(|s| s.decode(token, &|| false).unwrap().unwrap());
        close(&logits[0], &logits[1], 1e-4, "token");
    }
    same_everywhere(&both, 1e-4);
    // A fork goes its own way.
    let mut forks = [both[0].fork(), both[1].fork()];
    for token in [5, 6] {
        let logits = forks
            .each_mut()
            .map(|s| s.decode(token, &|| false).unwrap().unwrap());
        close(&logits[0], &logits[1], 1e-4, "fork");
    }
    let logits = both
        .each_mut()
        .map(|s| s.decode(9, &|| false).unwrap().unwrap());
    close(&logits[0], &logits[1], 1e-4, "behind the fork");
    let logits = both
        .each_mut()
        .map(|s| s.prefill(&tokens, &mut NoHooks).unwrap().unwrap());
    close(&logits[0], &logits[1], 1e-4, "second prompt");
    same_everywhere(&both, 1e-4);
}

/// In 16 bits, through the tiles and the products with few rows, for every type of weights.
#[test]
fn half_precision_stays_close_whatever_the_weights_are() {
    let quants = [
        GgmlDType::F32,
        GgmlDType::F16,
        GgmlDType::BF16,
        GgmlDType::Q4_0,
        GgmlDType::Q4_1,
        GgmlDType::Q5_0,
        GgmlDType::Q5_1,
        GgmlDType::Q8_0,
        GgmlDType::Q2K,
        GgmlDType::Q3K,
        GgmlDType::Q4K,
        GgmlDType::Q5K,
        GgmlDType::Q6K,
    ];
    for quant in quants {
        let spec = TinySpec {
            quant,
            layers: 1,
            hidden: 256,
            ffn: 256,
            heads: 4,
            kv_heads: 2,
            head_dim: 64,
            ..TinySpec::qwen2()
        };
        let file = written(&spec);
        let host = Decoder::load(Host::<f32>::new(1, true), &file, &|_| {}).unwrap();
        let mut host = Arc::new(host).sequence(8).unwrap();
        for (element, half) in [
            (Element::F16, true),
            (Element::F16, false),
            (Element::BF16, false),
        ] {
            let executor = Executor::new(emulated(5), element, false, half);
            let gpu = Decoder::load(executor, &file, &|_| {}).unwrap();
            let mut gpu = Arc::new(gpu).sequence(8).unwrap();
            let mut host = host.fork();
            let tokens: Vec<u32> = (0..70).map(|i| (i * 11 % 250) as u32).collect();
            let what = format!("{quant:?} {element:?} {half}");
            let a = host.prefill(&tokens, &mut NoHooks).unwrap().unwrap();
            let b = gpu.prefill(&tokens, &mut NoHooks).unwrap().unwrap();
            close(&a, &b, 0.03, &what);
            let a = host.decode(3, &|| false).unwrap().unwrap();
            let b = gpu.decode(3, &|| false).unwrap().unwrap();
            close(&a, &b, 0.03, &what);
        }
        host.resize_window(8);
    }
}
