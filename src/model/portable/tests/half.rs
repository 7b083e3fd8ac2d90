//! What a GPU takes by default, f16 all through, gives nearly what f32 gives: as near as the types
//! allow, before and after an eviction that leaves the heads ragged. The weights are f32: low-bit
//! products round a little difference to a large one.

use std::sync::Arc;

use candle_core::{DType, Device};

use crate::model::decoder::Decoder;
use crate::model::gguf::GgufFile;
use crate::model::network::{Network, NoHooks};
use crate::model::portable::Portable;
use crate::testing::{TinySpec, write_tiny_gguf};

/// Logits on the way of a short conversation.
fn logits(file: &Arc<GgufFile>, cache: DType, rows: DType) -> Vec<Vec<f32>> {
    let portable = Portable::new(Device::Cpu, false, cache, rows);
    let decoder = Arc::new(Decoder::load(portable, file, &|_| {}).unwrap());
    let mut sequence = decoder.sequence(4).unwrap();
    let tokens: Vec<u32> = (0..50).map(|i| (i * 37 + 5) % 250).collect();
    let mut all = vec![sequence.prefill(&tokens, &mut NoHooks).unwrap().unwrap()];
    all.extend(sequence.decode(7, &|| false).unwrap());
    for layer in 0..sequence.count() {
        let heads = sequence.lens(layer).into_iter().enumerate();
        let kept: Vec<Vec<u32>> = heads
            .map(|(h, len)| (9 * h as u32..len as u32).collect())
            .collect();
        sequence.keep(layer, &kept).unwrap();
    }
    all.extend(sequence.decode(8, &|| false).unwrap());
    all.extend(sequence.prefill(&tokens[..20], &mut NoHooks).unwrap());
    all
}

#[test]
fn half_precision_is_near() {
    for spec in [TinySpec::llama(), TinySpec::qwen2()] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tiny.gguf");
        write_tiny_gguf(&path, &spec).unwrap();
        let file = Arc::new(GgufFile::open(&path).unwrap());
        let exact = logits(&file, DType::F32, DType::F32);
        for rows in [DType::F16, DType::F32] {
            let found = logits(&file, DType::F16, rows);
            for (step, (e, f)) in exact.iter().zip(&found).enumerate() {
                let most = e.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                let off = e.iter().zip(f).map(|(e, f)| (e - f).abs());
                let off = off.fold(0.0, f32::max) / most;
                println!("{rows:?} {step}: {off}");
                assert!(off < 0.015, "{rows:?}, step {step}: off by {off}");
            }
        }
    }
}
