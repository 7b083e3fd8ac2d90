//! What is tested: made models of every type of weights and every shape of heads.

use candle_core::DType;
use candle_core::quantized::GgmlDType;

use crate::model::{ComputePath, DeviceKind, LoadOptions};
use crate::testing::TinySpec;

/// Every type of weights that the kernels read.
const WEIGHTS: [GgmlDType; 13] = [
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
/// Sizes of heads, and how many of them share keys and values.
const HEADS: [usize; 5] = [64, 80, 96, 128, 256];
const GROUPS: [usize; 4] = [1, 2, 4, 8];
const KV_HEADS: usize = 2;
/// Whole blocks of every type.
const WIDTH: usize = 256;

/// The largest difference from the exact result that rounding explains, by the largest number: in f32, in 16
/// bits, and where activations are rounded to 8 bits.
pub const EXACT: f32 = 1e-3;
pub const HALF: f32 = 0.03;
pub const EIGHT_BITS: f32 = 0.06;

/// A made model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    /// One whose activations fit f16, or one whose need not.
    pub architecture: &'static str,
    pub weights: GgmlDType,
    pub head_dim: usize,
    /// Query heads that share a KV head.
    pub group: usize,
}

impl Case {
    /// All of them, in half a minute on a slow CPU and some seconds on a GPU.
    pub fn all() -> Vec<Case> {
        let types = WEIGHTS.map(|weights| Case {
            architecture: "llama",
            weights,
            head_dim: 64,
            group: 2,
        });
        let shapes = HEADS.into_iter().enumerate().flat_map(|(i, head_dim)| {
            GROUPS.into_iter().enumerate().map(move |(j, group)| Case {
                architecture: ["qwen2", "llama"][(i + j) % 2],
                weights: [GgmlDType::Q4_0, GgmlDType::Q6K, GgmlDType::F16][(i + j) % 3],
                head_dim,
                group,
            })
        });
        types.into_iter().chain(shapes).collect()
    }

    /// `llama Q4_0, heads 4:2 of 64`
    pub fn name(&self) -> String {
        format!(
            "{} {:?}, heads {}:{KV_HEADS} of {}",
            self.architecture,
            self.weights,
            self.group * KV_HEADS,
            self.head_dim
        )
    }

    pub fn spec(&self) -> TinySpec {
        let base = match self.architecture {
            "llama" => TinySpec::llama(),
            _ => TinySpec::qwen2(),
        };
        TinySpec {
            quant: self.weights,
            hidden: WIDTH,
            ffn: WIDTH,
            heads: self.group * KV_HEADS,
            kv_heads: KV_HEADS,
            head_dim: self.head_dim,
            ..base
        }
    }
}

/// A way of computing that is held against the exact one.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub name: &'static str,
    pub load: LoadOptions,
    /// Differences up to this are rounding.
    pub bound: f32,
}

impl Way {
    /// The exact one, which the others are held against.
    pub fn reference(threads: Option<usize>) -> LoadOptions {
        LoadOptions {
            device: DeviceKind::Cpu,
            threads,
            kv_dtype: Some(DType::F32),
            exact: true,
            path: ComputePath::Kernels,
        }
    }

    /// Those that are to be tested on `load`'s device, which calls itself `device`.
    pub fn all(load: &LoadOptions, device: &str) -> Vec<Way> {
        let way = |name, path, element, bound| Way {
            name,
            load: LoadOptions {
                kv_dtype: Some(element),
                exact: element == DType::F32,
                path,
                ..*load
            },
            bound,
        };
        let plain = ComputePath::Portable;
        match device {
            "cpu" => vec![
                way("f16", ComputePath::Kernels, DType::F16, EIGHT_BITS),
                way("plain f32", plain, DType::F32, EXACT),
                way("plain f16", plain, DType::F16, EIGHT_BITS),
            ],
            "CUDA" | "emulated" => vec![
                way("f32", load.path, DType::F32, EXACT),
                way("f16", load.path, DType::F16, HALF),
                way("bf16", load.path, DType::BF16, HALF),
            ],
            // Tensor operations on a device for which there are no kernels of ours.
            _ => vec![
                way("f32", load.path, DType::F32, EXACT),
                way("f16", load.path, DType::F16, EIGHT_BITS),
            ],
        }
    }
}
