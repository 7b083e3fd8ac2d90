//! What fuzzing does, without its tools: seeds, changed at random, go where untrusted bytes go.
//!
//! `CACHAT_MUTATIONS=1000000 cargo test --test mutated` does more of it, `CACHAT_SEED` other ones; a
//! failure says which input it was.

#[path = "fuzzed/bodies.rs"]
mod bodies;

use std::time::{Duration, Instant};

use cachat::model::gguf::GgufFile;
use cachat::model::tokenizer::Tokenizer;
use cachat::testing::Work;
use cachat::testing::random::Random;

fn number(name: &str, usual: u64) -> u64 {
    let said = std::env::var(name).ok();
    said.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Some bytes changed, cut out, doubled, or replaced by others that are worth trying, also from
/// `other`.
fn mutated(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    const WORTH: [&[u8]; 18] = [
        b"\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x00\x00\x00\x00",
        b"{{",
        b"}}",
        b"{%",
        b" % ",
        b"\n",
        b"\"",
        b"\xe2\x80\xae",
        b"\xf3\xa0\x81\x81",
        b"\x00\x00\x00\x80",
        b"\xff\xff\xff\xff",
        b"18446744073709551615",
        b"4294967296",
        b"-1",
        b"1e999",
        b"[[[[[[[[",
        b"\\u0000",
    ];
    let mut bytes = seed.to_vec();
    let mut below = |most: usize| (random.next_u64() % most.max(1) as u64) as usize;
    for _ in 0..=below(6) {
        let (at, len) = (below(bytes.len()), below(16) + 1);
        let end = (at + len).min(bytes.len());
        match below(7) {
            0 if at < end => bytes[at] = below(256) as u8,
            1 if at < end => bytes[at] ^= 1 << below(8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, again.repeat(below(20) + 1)));
            }
            4 => drop(bytes.splice(at..end, WORTH[below(WORTH.len())].iter().copied())),
            5 => {
                let from = below(other.len());
                let len = below(200).min(other.len() - from);
                drop(bytes.splice(at..end, other[from..from + len].iter().copied()));
            }
            _ => bytes.truncate(bytes.len() - below(bytes.len() / 4)),
        }
    }
    bytes
}

/// The most memory that the process ever took, where the system says so.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or(String::new(), |most| {
        format!(", at most {} in memory", most.trim())
    })
}

fn run(target: &str, body: fn(&[u8]), usual: u64) {
    let seeds: Vec<_> = bodies::seeds()
        .into_iter()
        .filter(|s| s.0 == target)
        .collect();
    let (from, runs) = (number("CACHAT_SEED", 1), number("CACHAT_MUTATIONS", usual));
    let mut slowest = Duration::ZERO;
    for i in 0..runs {
        let mut random = Random::new(from.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ i);
        let (_, name, bytes) = &seeds[i as usize % seeds.len()];
        let (_, _, other) = &seeds[random.next_u64() as usize % seeds.len()];
        let input = mutated(bytes, other, &mut random);
        let (begun, work) = (Instant::now(), Work::begin());
        if std::panic::catch_unwind(|| body(&input)).is_err() {
            panic!("{target} {name}, CACHAT_SEED={from}, input {i}: {input:?}");
        }
        let (worked, took) = (work.done(), begun.elapsed());
        slowest = slowest.max(took);
        // Documents and templates are read by threads of their own, whose work is not counted.
        assert!(
            worked < Duration::from_secs(5) && took < Duration::from_secs(60),
            "{target} {name}, input {i} took {took:?}, {worked:?} of it at work: {input:?}"
        );
    }
    println!(
        "{target}: {runs} inputs, the slowest took {slowest:?}{}",
        peak()
    );
}

#[test]
fn models() {
    run("model", bodies::model, 600);
}

#[test]
fn every_vocabulary_to_begin_with_is_read() {
    let seeds = bodies::seeds();
    for (_, name, bytes) in seeds.iter().filter(|seed| seed.0 == "model") {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let model = GgufFile::open(file.path()).unwrap();
        let tokenizer = Tokenizer::from_gguf(&model).unwrap_or_else(|e| panic!("{name}: {e}"));
        let text = "ab  a\n\n\n日";
        let ids = tokenizer.encode(text, false).unwrap();
        let bytes = ids.iter().flat_map(|id| tokenizer.token_bytes(*id));
        let said = String::from_utf8(bytes.collect()).unwrap();
        assert_eq!(said.trim_start(), text, "{name}");
    }
}

#[test]
fn templates() {
    run("template", bodies::template, 1_000);
}

#[test]
fn saved_conversations() {
    run("session", bodies::session, 4_000);
}

#[test]
fn documents() {
    run("document", bodies::document, 200);
}

#[test]
fn archives() {
    run("archive", bodies::archive, 400);
}

#[test]
fn texts() {
    run("text", bodies::text, 4_000);
}
