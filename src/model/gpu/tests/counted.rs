//! What a token, a block and an eviction ask of a GPU.

use std::sync::Arc;

use candle_core::quantized::GgmlDType;

use super::against_host::written;
use crate::gpu::emulated::{Counts, Emulated};
use crate::gpu::{Element, Gpu};
use crate::model::decoder::Decoder;
use crate::model::gpu::Executor;
use crate::model::logits::Logits;
use crate::model::network::{Network, NoHooks, Sequence};
use crate::policy::{Choice, Needs, Observed, Round};
use crate::testing::TinySpec;

const LAYERS: usize = 3;

struct Looks;

impl Round for Looks {
    fn needs(&self) -> Needs {
        Needs {
            peak: true,
            ..Needs::NONE
        }
    }

    fn observe(&mut self, _layer: usize, _heads: Vec<Observed>) -> Vec<Choice> {
        Vec::new()
    }
}

/// On a device that works, or on one that only takes what it is asked.
fn sequence(spec: TinySpec, works: bool) -> (Arc<Emulated>, Box<dyn Sequence>) {
    let device = match works {
        true => Emulated::new(1),
        false => Emulated::idle(1),
    };
    let device = Arc::new(device.unwrap());
    let gpu = Gpu::new(Box::new(device.clone()));
    let executor = Executor::new(gpu, Element::F16, false, true);
    let decoder = Decoder::load(executor, &written(&spec), &|_| {}).unwrap();
    (device, Arc::new(decoder).sequence(8).unwrap())
}

fn counted(device: &Emulated, work: impl FnOnce()) -> Counts {
    let before = device.counts();
    work();
    let after = device.counts();
    Counts {
        launches: after.launches - before.launches,
        products: after.products - before.products,
        uploads: after.uploads - before.uploads,
        uploaded_bytes: after.uploaded_bytes - before.uploaded_bytes,
        reads: after.reads - before.reads,
        read_bytes: after.read_bytes - before.read_bytes,
        copies: after.copies - before.copies,
        copied_bytes: after.copied_bytes - before.copied_bytes,
        allocations: after.allocations - before.allocations,
        records: after.records - before.records,
        replays: after.replays - before.replays,
        replayed: after.replayed - before.replayed,
    }
}

fn shapes() -> impl Iterator<Item = TinySpec> {
    [2, 8, 32].into_iter().flat_map(|kv_heads| {
        [TinySpec::llama(), TinySpec::qwen2()].map(|spec| TinySpec {
            layers: LAYERS,
            heads: 32,
            kv_heads,
            head_dim: 32,
            hidden: 64,
            ffn: 64,
            quant: GgmlDType::Q8_0,
            context: 512,
            ..spec
        })
    })
}

/// What follows a token, as an answer asks for it.
fn decode(sequence: &mut dyn Sequence, token: u32) -> Logits {
    let rows = sequence.verify(&[token], &|| false).unwrap();
    sequence.settle(1).unwrap();
    rows.unwrap().pop().unwrap().unwrap()
}

/// Twelve launches a layer however many heads it has, one thing to wait for, of which less than 1 KiB comes back, nothing
/// allocated; and the launches of one token are those of the next, so that they run as one.
#[test]
fn a_token_is_a_dozen_launches_a_layer_and_waits_once() {
    for (shape, spec) in shapes().enumerate() {
        let works = shape == 0;
        let (device, mut sequence) = sequence(spec, works);
        let tokens: Vec<u32> = (0..20).collect();
        sequence.prefill(&tokens, &mut NoHooks).unwrap();
        let mut ragged = false;
        for token in 0..60 {
            let counts = counted(&device, || {
                let next = decode(&mut *sequence, token);
                assert!(next.best().is_some() || !works);
            });
            let launches = counts.launches + counts.replayed;
            assert!(launches <= 12 * LAYERS as u64 + 6, "{counts:?}");
            assert_eq!((counts.reads, counts.products), (1, 0), "{counts:?}");
            assert!(counts.read_bytes < 1024, "{counts:?}");
            // Behind the first tokens, and but where a page is full or the window's rows are, all is one launch
            // with the two words that differ.
            let settled = !matches!(token, 0..3 | 30..33 | 44..47);
            if settled {
                assert_eq!(
                    (counts.replays, counts.launches, counts.allocations),
                    (1, 1, 0),
                    "{token}: {counts:?}"
                );
                assert!(
                    counts.uploads == 1 && counts.uploaded_bytes < 2048,
                    "{counts:?}"
                );
            }
            if token == 29 && !ragged {
                ragged = true;
                let counts = counted(&device, || {
                    for layer in 0..LAYERS {
                        sequence.select(layer, layer, &mut Looks).unwrap();
                        let kept = sequence.lens(layer).into_iter().enumerate();
                        let kept = kept.map(|(h, len)| ((h % 3) as u32..len as u32).collect());
                        sequence.keep(layer, &kept.collect::<Vec<_>>()).unwrap();
                    }
                });
                assert_eq!(counts.reads, LAYERS as u64, "an eviction: {counts:?}");
            }
        }
    }
}
