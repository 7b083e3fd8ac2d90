//! A device that can do little, as Metal's are: the same results by other kernels, in 32 KiB of shared memory.

use std::sync::Arc;

use candle_core::quantized::GgmlDType;

use super::against_host::{close, prompts_answers_and_evictions, written};
use super::largest::{bits, sorted};
use super::packed::any;
use crate::gpu::emulated::Emulated;
use crate::gpu::{Element, Gpu};
use crate::model::decoder::Decoder;
use crate::model::gguf::{TensorType, quants};
use crate::model::gpu::Executor;
use crate::model::gpu::largest::largest;
use crate::model::gpu::linear::{Linear, Precision};
use crate::model::gpu::rows::Rows;
use crate::model::host::Host;
use crate::model::network::{Network, NoHooks};
use crate::testing::TinySpec;
use crate::testing::random::Random;

fn narrow(seed: u64) -> Arc<Gpu> {
    Gpu::new(Box::new(Emulated::narrow(seed).unwrap()))
}

/// Of small heads, and of those whose keys no group can share.
#[test]
fn prompts_answers_and_evictions_come_to_the_same() {
    prompts_answers_and_evictions(&narrow(21), TinySpec::qwen2());
    for head_dim in [128, 256] {
        let spec = TinySpec {
            head_dim,
            layers: 1,
            ..TinySpec::llama()
        };
        prompts_answers_and_evictions(&narrow(22), spec);
    }
}

/// Rows that other devices take in tiles and leave to a library.
#[test]
fn half_precision_stays_close() {
    for quant in [GgmlDType::F16, GgmlDType::BF16, GgmlDType::Q4K] {
        let spec = TinySpec {
            quant,
            layers: 2,
            hidden: 256,
            ffn: 256,
            heads: 8,
            kv_heads: 2,
            head_dim: 128,
            ..TinySpec::qwen2()
        };
        let file = written(&spec);
        let host = Decoder::load(Host::<f32>::new(1, true), &file, &|_| {}).unwrap();
        let mut host = Arc::new(host).sequence(8).unwrap();
        let tokens: Vec<u32> = (0..70).map(|i| (i * 11 % 250) as u32).collect();
        let prompt = host.prefill(&tokens, &mut NoHooks).unwrap().unwrap();
        let answer = host.decode(3, &|| false).unwrap().unwrap();
        for element in [Element::F16, Element::BF16] {
            let half = element == Element::F16;
            let executor = Executor::new(narrow(23), element, false, half);
            let gpu = Decoder::load(executor, &file, &|_| {}).unwrap();
            let mut gpu = Arc::new(gpu).sequence(8).unwrap();
            let what = format!("{quant:?} {element:?}");
            let logits = gpu.prefill(&tokens, &mut NoHooks).unwrap().unwrap();
            close(&prompt, &logits, 0.03, &what);
            let logits = gpu.decode(3, &|| false).unwrap().unwrap();
            close(&answer, &logits, 0.03, &what);
        }
    }
}

/// No kernel there multiplies whole numbers: inputs keep all their bits, which eight would not come near.
#[test]
fn packed_weights_are_multiplied_as_plain_numbers() {
    let mut random = Random::new(7);
    let (inputs, outputs) = (512, 24);
    let precision = Precision {
        exact: false,
        half: true,
    };
    for dtype in [TensorType::Q4K, TensorType::Q8_0, TensorType::Mxfp4] {
        let bytes = any(&mut random, dtype, outputs * inputs);
        let weights = quants::dequantize(dtype, &bytes).unwrap();
        let gpu = narrow(25);
        let linear = Linear::of(&gpu, &[(dtype, outputs, &bytes[..])], inputs, precision).unwrap();
        for rows in [1, 3, 8] {
            let x: Vec<f32> = (0..rows * inputs).map(|_| random.normal()).collect();
            let input = Rows::upload(&gpu, &x, rows).unwrap();
            let got = linear.forward(&input).unwrap().read().unwrap();
            for (i, got) in got.iter().enumerate() {
                let terms = weights[i % outputs * inputs..][..inputs].iter();
                let terms = terms.zip(&x[i / outputs * inputs..]);
                let terms = terms.map(|(w, x)| f64::from(*w) * f64::from(*x));
                let (sum, size) =
                    terms.fold((0.0, 0.0), |(sum, size), t| (sum + t, size + t.abs()));
                let off = (sum - f64::from(*got)).abs();
                assert!(off <= 1e-5 * size, "{dtype:?}: {got} for {sum}");
            }
        }
    }
}

#[test]
fn the_largest_are_found_by_fewer_groups() {
    let gpu = narrow(24);
    let mut random = Random::new(6);
    for count in [100, 2049, 17 * 2048 + 1, 140_001] {
        let row: Vec<f32> = (0..count).map(|_| random.normal()).collect();
        let found = largest(&Rows::upload(&gpu, &row, 1).unwrap()).unwrap();
        assert_eq!(bits(&found.found), bits(&sorted(&row)[..count.min(120)]));
    }
}
