//! A very long answer: what decoding takes does not grow with it. A process of its own, with nothing
//! beside. `CACHAT_TEST_TOKENS=200000 cargo test --test long` does more of it.
#![cfg(target_os = "linux")]

mod common;

use cachat::engine::event::{CachePicture, Event, ProcessMemory, Sampling};
use cachat::engine::session::{Eviction, Session, Watcher};
use cachat::model::{DeviceKind, LoadOptions};
use cachat::policy::{Budget, Params, Preset};
use cachat::testing::TinySpec;

const MIB: u64 = 1 << 20;
/// What is kept of a token: itself, and up to 16 bytes of text, in buffers that double.
const TRANSCRIPT: u64 = 2 * (4 + 16);
/// What the allocator keeps.
const SLACK: u64 = 4 * MIB;

/// Looks at the process at every hundredth of the answer.
struct Watch {
    tokens: usize,
    /// What it took by then.
    seen: Vec<(usize, u64)>,
    text: usize,
}

impl Watcher for Watch {
    fn stopped(&self) -> bool {
        false
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Text { piece, .. } => self.text += piece.len(),
            Event::Decoded { generated, .. } => {
                let step = (self.tokens / 100).max(1);
                if self
                    .seen
                    .last()
                    .is_none_or(|(at, _)| at + step <= generated)
                {
                    let taken = ProcessMemory::now().anonymous();
                    self.seen.push((generated, taken));
                }
            }
            _ => {}
        }
    }

    fn picture(&mut self, _: CachePicture) {}
}

#[test]
fn a_long_answer_takes_its_text_and_nothing_more() {
    let tokens = std::env::var("CACHAT_TEST_TOKENS").map_or(4_000, |n| n.parse().unwrap());
    let spec = TinySpec {
        endless: true,
        context: 1 << 18,
        ..TinySpec::llama()
    };
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        threads: Some(1),
        ..LoadOptions::default()
    };
    let model = common::load::tiny(&spec, &options);
    let eviction = Eviction {
        preset: Preset::default(),
        params: Params {
            window: 8,
            slack: 8,
            ..Params::default()
        },
        budget: Budget::Tokens(64),
    };
    let mut session = Session::new(model, eviction, None).unwrap();
    let mut watch = Watch {
        tokens,
        seen: Vec::new(),
        text: 0,
    };
    let sampling = Sampling {
        max_tokens: tokens,
        ..Sampling::default()
    };
    let begun = std::time::Instant::now();
    let stats = session.ask("say on", &sampling, &mut watch).unwrap();
    assert_eq!(stats.generated_tokens, tokens);
    // A tenth of it is for buffers to find their sizes.
    let at = |share: usize| watch.seen[watch.seen.len() * share / 100];
    let ((from, before), last) = (at(10), watch.seen.last().unwrap());
    let most = watch.seen.iter().map(|(_, taken)| *taken).max().unwrap();
    let grown = most.saturating_sub(before);
    println!(
        "{tokens} tokens ({} bytes of text) in {:.1?}; {:.1} MiB behind {from}, at most {:.1} MiB, \
         {:.1} MiB at the end",
        watch.text,
        begun.elapsed(),
        before as f64 / MIB as f64,
        most as f64 / MIB as f64,
        last.1 as f64 / MIB as f64
    );
    let allowed = TRANSCRIPT * (tokens - from) as u64 + SLACK;
    assert!(
        grown <= allowed,
        "{grown} bytes more, {allowed} are allowed"
    );
}
