//! Model files as they come: every type of weights, in one file and in several, on both backends.

use std::sync::Arc;

use cachat::model::gguf::{GgufFile, TensorType};
use cachat::model::{ComputePath, DeviceKind, LoadOptions, Network, NoHooks};
use cachat::testing::{TinySpec, write_tiny_parts};

use TensorType::*;

const TYPES: [TensorType; 15] = [
    F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2K, Q3K, Q4K, Q5K, Q6K, Iq4Xs, Iq4Nl,
];

/// Logits after a prompt, and after a few more tokens.
fn logits(file: &Arc<GgufFile>, exact: bool, path: ComputePath) -> Vec<Vec<f32>> {
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        threads: Some(2),
        kv_dtype: Some(candle_core::DType::F32),
        exact,
        path,
    };
    let network: Arc<dyn Network> = cachat::model::load(file, &options, &|_| {}).unwrap();
    let mut sequence = network.sequence(4).unwrap();
    let tokens: Vec<u32> = (0..80).map(|i| (i * 37 + 5) % 250).collect();
    let mut all = vec![sequence.prefill(&tokens, &mut NoHooks).unwrap().unwrap()];
    for token in [7, 8, 9] {
        all.push(sequence.decode(token, &|| false).unwrap().unwrap());
    }
    all
}

/// The largest difference, relative to the largest logit.
fn off(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    let most = |x: &mut dyn Iterator<Item = f32>| x.fold(0f32, |most, x| most.max(x.abs()));
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    most(&mut pairs.map(|(a, b)| a - b)) / most(&mut a.iter().flatten().copied())
}

#[test]
fn every_type_gives_the_same_on_both_backends_and_as_itself_in_one_file() {
    let spec = TinySpec {
        hidden: 256,
        head_dim: 64,
        ffn: 512,
        ..TinySpec::qwen2()
    };
    for dtype in TYPES.into_iter().chain([Mxfp4]) {
        let folder = tempfile::tempdir().unwrap();
        let paths = write_tiny_parts(folder.path(), &spec, dtype, 3).unwrap();
        let file = Arc::new(GgufFile::open(&paths[1]).unwrap());
        assert_eq!(
            file.tensor_info("blk.1.ffn_up.weight").unwrap().dtype,
            dtype
        );
        let (kernels, portable) = (ComputePath::Kernels, ComputePath::Portable);
        let exact = logits(&file, true, kernels);
        for path in [portable, ComputePath::Emulated(1)] {
            let off = off(&exact, &logits(&file, true, path));
            assert!(off < 1e-4, "{dtype}: exact, {path:?} {off}");
        }
        let fast = off(&exact, &logits(&file, false, kernels));
        let device = off(&exact, &logits(&file, false, portable));
        let gpu = off(&exact, &logits(&file, false, ComputePath::Emulated(1)));
        println!("{dtype}: fast {fast:e}, fast portable {device:e}, on the GPU {gpu:e}");
        // Plain numbers are multiplied as they are, on a GPU behind a cache in 16 bits; others meet activations of
        // 8 bits.
        let (bound, on_gpu) = if dtype.is_plain() {
            (1e-5, 5e-3)
        } else {
            (0.06, 0.06)
        };
        assert!(fast < bound, "{dtype}: fast {fast}");
        assert!(gpu < on_gpu, "{dtype}: on the GPU {gpu}");
        assert!(device < 0.06, "{dtype}: fast on devices {device}");
    }
}
