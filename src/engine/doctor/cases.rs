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
/// What a GPU by Metal calls itself where our kernels run on it; where they do not, it is `metal`.
pub const KERNELS_OF_METAL: &str = "Metal";
const KV_HEADS: usize = 2;
/// Whole blocks of every type.
const WIDTH: usize = 256;

/// The largest difference from the exact result that rounding explains, by the largest number: in f32, in f16,
/// in bf16, and where low-bit weights meet activations of 8 bits. A kernel that is wrong is off by about 1.
pub const EXACT: f32 = 1e-3;
pub const HALF: f32 = 0.03;
pub const BRIEF: f32 = 0.06;
pub const EIGHT_BITS: f32 = 0.2;

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
    /// All of them: some seconds of work.
    pub fn all() -> Vec<Case> {
        let types = WEIGHTS.map(|weights| Case {
            architecture: "llama",
            weights,
            head_dim: HEADS[0],
            group: GROUPS[1],
        });
        let shapes = HEADS.into_iter().enumerate().flat_map(|(i, head_dim)| {
            GROUPS.into_iter().enumerate().map(move |(j, group)| Case {
                architecture: ["qwen2", "llama"][(i + j) % 2],
                weights: [GgmlDType::Q4_0, GgmlDType::Q6K, GgmlDType::F16][(i + j) % 3],
                head_dim,
                group,
            })
        });
        let shapes = shapes.filter(|case| (case.head_dim, case.group) != (HEADS[0], GROUPS[1]));
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
            // So that a token is enough launches to be recorded.
            layers: 3,
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
    /// Whether activations are rounded to 8 bits where weights are of few.
    pub eight_bits: bool,
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
        let gpu = ["CUDA", KERNELS_OF_METAL, "emulated"].contains(&device);
        let way = |name, path, element| Way {
            name,
            load: LoadOptions {
                kv_dtype: Some(element),
                exact: element == DType::F32,
                path,
                ..*load
            },
            eight_bits: element != DType::F32 && device != KERNELS_OF_METAL,
            bound: match element {
                DType::F32 => EXACT,
                DType::BF16 => BRIEF,
                _ => HALF,
            },
        };
        let mut ways = vec![
            way("f32", load.path, DType::F32),
            way("f16", load.path, DType::F16),
        ];
        match device {
            // The first is what the others are held against.
            "cpu" => {
                let plain = ComputePath::Portable;
                ways.remove(0);
                ways.push(way("plain f32", plain, DType::F32));
                ways.push(way("plain f16", plain, DType::F16));
            }
            _ if gpu => ways.push(way("bf16", load.path, DType::BF16)),
            // A device without kernels of ours.
            _ => {}
        }
        ways
    }

    /// The largest difference that rounding explains for a model.
    pub fn bound(&self, case: &Case) -> f32 {
        let plain = [GgmlDType::F32, GgmlDType::F16, GgmlDType::BF16];
        match self.eight_bits && !plain.contains(&case.weights) {
            true => EIGHT_BITS,
            false => self.bound,
        }
    }
}
