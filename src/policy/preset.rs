//! Named policies for people; each is three parts for researchers.

use super::{Allocator, LayerBudget, Policy, Score};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Preset {
    /// Evicts nothing.
    Full,
    /// StreamingLLM: four sinks and the most recent entries.
    Streaming,
    /// SnapKV: window scores, the same budget for every head.
    SnapKv,
    /// SnapKV with budgets that shrink with depth.
    PyramidKv,
    /// Ada-KV on SnapKV (the paper's Ada-SnapKV), with safeguard.
    #[default]
    AdaSnapKv,
    /// Ada-KV on PyramidKV.
    AdaPyramidKv,
    /// Adaptive heads with this project's own reach score.
    AdaReach,
}

impl Preset {
    pub const ALL: [Preset; 7] = [
        Preset::Full,
        Preset::Streaming,
        Preset::SnapKv,
        Preset::PyramidKv,
        Preset::AdaSnapKv,
        Preset::AdaPyramidKv,
        Preset::AdaReach,
    ];

    pub const FULL: Preset = Preset::Full;
    pub const SNAPKV: Preset = Preset::SnapKv;
    pub const ADA_SNAPKV: Preset = Preset::AdaSnapKv;

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Full => "full",
            Preset::Streaming => "streaming",
            Preset::SnapKv => "snapkv",
            Preset::PyramidKv => "pyramidkv",
            Preset::AdaSnapKv => "ada-snapkv",
            Preset::AdaPyramidKv => "ada-pyramidkv",
            Preset::AdaReach => "ada-reach",
        }
    }

    /// One line for help texts.
    pub fn describe(self) -> &'static str {
        match self {
            Preset::Full => "keep everything",
            Preset::Streaming => "four sinks and the most recent entries (StreamingLLM)",
            Preset::SnapKv => "window scores, the same budget for every head",
            Preset::PyramidKv => "SnapKV with budgets that shrink with depth",
            Preset::AdaSnapKv => "Ada-KV: a layer's budget goes where its attention is",
            Preset::AdaPyramidKv => "Ada-KV heads on PyramidKV's layer budgets",
            Preset::AdaReach => "Ada-KV heads on the reach score (best for small budgets)",
        }
    }

    pub fn policy(self) -> Policy {
        let (score, allocator, layers) = match self {
            Preset::Full => (Score::Recency, Allocator::Uniform, LayerBudget::Unbounded),
            Preset::Streaming => (Score::Recency, Allocator::Uniform, LayerBudget::Flat),
            Preset::SnapKv => (Score::Window, Allocator::Uniform, LayerBudget::Flat),
            Preset::PyramidKv => (Score::Window, Allocator::Uniform, LayerBudget::Pyramid),
            Preset::AdaSnapKv => (Score::Window, Allocator::Adaptive, LayerBudget::Flat),
            Preset::AdaPyramidKv => (Score::Window, Allocator::Adaptive, LayerBudget::Pyramid),
            Preset::AdaReach => (Score::Reach, Allocator::Adaptive, LayerBudget::Flat),
        };
        Policy {
            score,
            allocator,
            layers,
        }
    }
}

/// The name is not a policy's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no policy '{0}': use one of full, streaming, snapkv, pyramidkv, ada-snapkv, ada-pyramidkv, ada-reach"
)]
pub struct UnknownPolicy(pub String);

impl std::str::FromStr for Preset {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        let name = name.trim().to_ascii_lowercase();
        Preset::ALL
            .into_iter()
            .find(|p| p.name() == name || p.name().strip_suffix("kv") == Some(&name))
            .ok_or(UnknownPolicy(name))
    }
}

impl std::fmt::Display for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
