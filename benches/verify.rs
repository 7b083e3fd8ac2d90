//! What a step of some rows takes beside a step of one: `cargo bench --bench verify -- MODEL [CONTEXT]`.

use std::sync::Arc;
use std::time::Instant;

use cachat::model::gguf::GgufFile;
use cachat::model::{LoadOptions, NoHooks};

const ROWS: [usize; 9] = [1, 2, 3, 4, 5, 6, 8, 12, 16];
const ROUNDS: usize = 12;

fn main() {
    let mut args = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    let Some(path) = args.next() else {
        return println!("name a model's file");
    };
    let context: usize = args.next().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let file = Arc::new(GgufFile::open(std::path::Path::new(&path)).expect("a model"));
    let network = cachat::model::load(&file, &LoadOptions::default(), &|_| {}).expect("a model");
    let tokens: Vec<u32> = (0..context + 16)
        .map(|i| (i * 7919 % 30_000) as u32)
        .collect();
    let mut sequence = network.sequence(32).expect("a cache");
    let read = sequence.prefill(&tokens[..context], &mut NoHooks);
    read.expect("a prefill");
    let mut best = [f64::INFINITY; ROWS.len()];
    // In turn, so that a busy moment meets all.
    for _ in 0..ROUNDS {
        for (rows, best) in ROWS.iter().zip(&mut best) {
            let begun = Instant::now();
            let verified = sequence.verify(&tokens[context..context + rows], &|| false);
            *best = best.min(begun.elapsed().as_secs_f64() * 1000.0);
            verified.expect("a step");
            sequence.settle(0).expect("taken back");
        }
    }
    for (rows, ms) in ROWS.iter().zip(best) {
        let more = (ms - best[0]) / (rows.max(&2) - 1) as f64;
        println!(
            "{rows:>3} rows {ms:>8.2} ms, {:.2} of one, {more:.2} ms a row",
            ms / best[0]
        );
    }
}
