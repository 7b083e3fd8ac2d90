//! Model families: what a GGUF architecture has that others have not, as constants. The decoder
//! is one for all of them; a family that needs more than these fields say adds one.

mod fields;
mod llama;
mod qwen2;

pub use fields::{Family, Names, USUAL};
pub use llama::LLAMA;
pub use qwen2::QWEN2;

/// Every family there is.
pub const ALL: [&Family; 2] = [&LLAMA, &QWEN2];

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
