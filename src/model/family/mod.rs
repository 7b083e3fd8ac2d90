//! Model families: what a GGUF architecture has that others have not, as constants. The decoder
//! is one for all of them; a family that needs more than these fields say adds one.

mod experts;
mod fields;
mod gemma2;
mod gemma3;
mod gemma4;
mod glm4;
mod gpt_oss;
mod granite;
mod lfm2;
mod llama;
mod mistral3;
mod olmo2;
mod phi3;
mod qwen2;
mod qwen3;
mod qwen35;
mod qwen3moe;
mod smollm3;
mod windows;

pub use fields::{Family, Names, USUAL};
pub use llama::LLAMA;
pub use qwen2::QWEN2;

/// Every family there is.
pub const ALL: [&Family; 17] = [
    &LLAMA,
    &QWEN2,
    &qwen3::QWEN3,
    &granite::GRANITE,
    &mistral3::MISTRAL3,
    &smollm3::SMOLLM3,
    &phi3::PHI3,
    &olmo2::OLMO2,
    &glm4::GLM4,
    &gemma2::GEMMA2,
    &gemma3::GEMMA3,
    &gemma4::GEMMA4,
    &qwen3moe::QWEN3MOE,
    &gpt_oss::GPT_OSS,
    &qwen35::QWEN35,
    &qwen35::QWEN35MOE,
    &lfm2::LFM2,
];

/// The family of an architecture.
pub fn of(architecture: &str) -> Option<&'static Family> {
    ALL.into_iter().find(|f| f.architecture == architecture)
}

/// The architectures there are, for people: `a, b or c`.
pub fn names() -> String {
    let names = ALL.map(|f| f.architecture);
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}
