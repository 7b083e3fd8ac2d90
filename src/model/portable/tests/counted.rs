//! What a token, a block and an eviction cost a GPU, on a model with SmolLM2-135M's numbers of
//! layers and heads in one low-bit type, as its files have them.
//!
//! Before this path was made for it, by the same rules: a decoded token 30 × (28 + 11 × 3) + 5 =
//! 1,835 launches; a block of prefill 30 × (41 + 14 × 3 + window) and, per layer and head, an f32
//! mask `[rows, entries]` from the host; an eviction 2 reads per head, 180.

use std::sync::Arc;

use candle_core::quantized::GgmlDType;
use candle_core::{DType, Device};

use crate::device::count::{Counts, so_far};
use crate::model::decoder::Decoder;
use crate::model::gguf::GgufFile;
use crate::model::network::{Network, NoHooks, Sequence};
use crate::model::portable::Portable;
use crate::policy::{Choice, Needs, Observed, Round};
use crate::testing::{TinySpec, write_tiny_gguf};

const LAYERS: usize = 30;
const WINDOW: usize = 8;

fn sequence(rows: DType) -> Box<dyn Sequence> {
    let spec = TinySpec {
        layers: LAYERS,
        heads: 9,
        kv_heads: 3,
        head_dim: 32,
        hidden: 288,
        ffn: 96,
        quant: GgmlDType::Q8_0,
        ..TinySpec::llama()
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tiny.gguf");
    write_tiny_gguf(&path, &spec).unwrap();
    let file = Arc::new(GgufFile::open(&path).unwrap());
    let portable = Portable::new(Device::Cpu, false, DType::F16, rows);
    let decoder = Arc::new(Decoder::load(portable, &file, &|_| {}).unwrap());
    decoder.sequence(WINDOW).unwrap()
}

fn counted<T>(what: &str, work: impl FnOnce() -> T) -> Counts {
    let before = so_far();
    work();
    let counts = so_far() - before;
    println!("{what}: {counts:?}");
    counts
}

/// A token that finds room: of a few, the one that costs least.
fn decoded(sequence: &mut dyn Sequence, what: &str) -> Counts {
    let mut decode = || counted(what, || sequence.decode(9, &|| false).unwrap());
    let tokens = [decode(), decode(), decode()];
    tokens.into_iter().min_by_key(|c| c.launches).unwrap()
}

/// Asks for what is needed and keeps all.
struct Looks(Needs);

impl Round for Looks {
    fn needs(&self) -> Needs {
        self.0
    }

    fn observe(&mut self, _layer: usize, _heads: Vec<Observed>) -> Vec<Choice> {
        Vec::new()
    }
}

fn evicted(sequence: &mut dyn Sequence, what: &str) -> Counts {
    counted(what, || {
        for layer in 0..LAYERS {
            let peak = true;
            let needs = Needs {
                peak,
                ..Needs::NONE
            };
            sequence.select(layer, layer, &mut Looks(needs)).unwrap();
            let kept = sequence.lens(layer).into_iter().enumerate();
            let kept: Vec<Vec<u32>> = kept
                .map(|(h, len)| (h as u32..len as u32).collect())
                .collect();
            sequence.keep(layer, &kept).unwrap();
        }
    })
}

#[test]
fn a_token_takes_a_third_of_the_launches_and_waits_once() {
    for (rows, even, ragged) in [(DType::F16, 576, 606), (DType::F32, 635, 665)] {
        let mut sequence = sequence(rows);
        let of = |what: &str| format!("{what}, activations in {}", rows.as_str());
        let tokens: Vec<u32> = (0..40).collect();

        let block = counted(&of("a block of prefill"), || {
            sequence.prefill(&tokens, &mut NoHooks).unwrap()
        });
        assert!(block.launches < 1835, "{block:?}");
        assert_eq!(block.reads, 1);
        // Tokens, angles, two constants for masks: none per layer.
        assert!(block.uploads <= 4, "{block:?}");

        let token = decoded(&mut *sequence, &of("a token, even heads"));
        assert_eq!((token.launches, token.reads), (even, 1));
        assert_eq!((token.uploads, token.parameters), (2, 1));

        let eviction = evicted(&mut *sequence, &of("an eviction"));
        assert_eq!(eviction.reads, LAYERS);

        let token = decoded(&mut *sequence, &of("a token, ragged heads"));
        assert_eq!((token.launches, token.reads), (ragged, 1));
        assert_eq!((token.uploads, token.parameters), (2, 1 + LAYERS));

        let eviction = evicted(&mut *sequence, &of("an eviction of ragged heads"));
        assert_eq!(eviction.reads, LAYERS);

        let block = counted(&of("a block of prefill behind ragged heads"), || {
            sequence.prefill(&tokens, &mut NoHooks).unwrap()
        });
        assert_eq!(block.reads, 1);
    }
}
