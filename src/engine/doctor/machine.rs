//! What there is to run on.

use serde::Serialize;

use crate::engine::free::{self, Free};
use crate::model::card::{Card, card};
use crate::model::kernels::attention::Level;
use crate::model::kernels::packed::{Kernel, Precision};
use crate::model::load::default_threads;

/// The program, and the machine that it finds itself on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub version: &'static str,
    pub features: Vec<&'static str>,
    pub os: &'static str,
    pub arch: &'static str,
    pub cores: usize,
    /// Threads that compute.
    pub threads: usize,
    /// The instructions of the kernels for products, and of those for attention.
    pub products: String,
    pub attention: &'static str,
    pub memory: Option<Free>,
    pub card: Option<Card>,
    /// Why there is no card, in a build that could use one.
    pub no_card: Option<String>,
}

impl Machine {
    /// As it is now: with card `ordinal`, and so many threads if it is said how many.
    pub fn now(ordinal: usize, threads: Option<usize>) -> Machine {
        let (card, no_card) = match card(ordinal) {
            Some(Ok(card)) => (Some(card), None),
            Some(Err(why)) => (None, Some(why)),
            None => (None, None),
        };
        Machine {
            version: env!("CARGO_PKG_VERSION"),
            features: features(),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            cores: std::thread::available_parallelism().map_or(1, |n| n.get()),
            threads: threads.unwrap_or_else(default_threads),
            products: products(),
            attention: Level::detect().name(),
            memory: free::now(),
            card,
            no_card,
        }
    }
}

fn products() -> String {
    let name = Kernel::best().name;
    match Precision::many_is_bf16() {
        true => format!("{name} (prompts: amx-bf16)"),
        false => name.into(),
    }
}

/// What this program was built with.
fn features() -> Vec<&'static str> {
    let all = [
        ("cuda", cfg!(feature = "cuda")),
        ("flash-attn", cfg!(feature = "flash-attn")),
        ("metal", cfg!(feature = "metal")),
        ("accelerate", cfg!(feature = "accelerate")),
        ("mkl", cfg!(feature = "mkl")),
    ];
    all.into_iter()
        .filter_map(|(name, on)| on.then_some(name))
        .collect()
}
