//! The memory of turns, as the system counts it. A process of its own, with nothing beside.
#![cfg(target_os = "linux")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use cachat::archive::Archive;
use cachat::engine::event::ProcessMemory;
use cachat::engine::event::{Event, Sampling};
use cachat::engine::session::{Eviction, Model, Session, Watcher};
use cachat::model::{DeviceKind, LoadOptions};
use cachat::policy::{Budget, Params, Preset};
use cachat::testing::TinySpec;
use cachat::testing::random::Random;

const MIB: u64 = 1 << 20;
/// Of keys and values a token of this model has 48 KiB, 2 KiB in each layer.
const LAYERS: usize = 24;
const LAYER: u64 = 2048;
/// What a turn has beside keys and values, and what the allocator keeps.
const BLOCKS: u64 = 20 * MIB;
const CONTEXT: usize = 8192;

fn model() -> Model {
    let spec = TinySpec {
        layers: LAYERS,
        heads: 4,
        kv_heads: 4,
        head_dim: 64,
        hidden: 64,
        context: CONTEXT,
        ..TinySpec::llama()
    };
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        threads: Some(2),
        kv_dtype: Some(candle_core::DType::F32),
        ..LoadOptions::default()
    };
    common::load::tiny(&spec, &options)
}

/// Own memory, page by page where the system counts so: on a machine of many processors its running
/// totals are off by as much as a layer.
fn own() -> u64 {
    let counted = std::fs::read_to_string("/proc/self/smaps_rollup").ok();
    let counted = counted.as_deref().and_then(|text| {
        let line = text.lines().find_map(|l| l.strip_prefix("Anonymous:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    });
    counted.map_or_else(|| ProcessMemory::now().anonymous(), |kib| kib * 1024)
}

/// Looks at the process every millisecond. The most that waited to be written is taken off: it is
/// bounded by itself. It is the archive's own count, since this thread may sleep through a disk's stall
/// and find what the allocator keeps of it.
struct Watch {
    end: Arc<AtomicBool>,
    most: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    fn start(archive: Arc<Archive>) -> Watch {
        let (end, most) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (ends, highest) = (end.clone(), most.clone());
        archive.most_waiting();
        let thread = std::thread::spawn(move || {
            let mut seen = 0;
            while !ends.load(SeqCst) {
                seen = seen.max(own());
                std::thread::sleep(Duration::from_millis(1));
            }
            let waited = archive.most_waiting() as u64;
            highest.store(seen.saturating_sub(waited), SeqCst);
        });
        Watch {
            end,
            most,
            thread: Some(thread),
        }
    }

    fn end(mut self) -> u64 {
        self.end.store(true, SeqCst);
        self.thread.take().unwrap().join().unwrap();
        self.most.load(SeqCst)
    }
}

#[derive(Default)]
struct Patience {
    steps: usize,
    most: Option<usize>,
}

impl Watcher for Patience {
    fn stopped(&self) -> bool {
        self.most.is_some_and(|most| self.steps >= most)
    }

    fn event(&mut self, event: Event) {
        self.steps += usize::from(matches!(event, Event::Prefill { .. }));
    }

    fn picture(&mut self, _: cachat::engine::event::CachePicture) {}
}

fn eviction(preset: Preset) -> Eviction {
    Eviction {
        preset,
        params: Params {
            window: 8,
            slack: 8,
            ..Params::default()
        },
        budget: Budget::Tokens(64),
    }
}

/// Old cache and new, one layer read and the same layer as it is evicted, blocks.
fn bound(session: &Session) -> u64 {
    let cache = session.layers().allocated_bytes() as u64;
    2 * cache + 2 * session.position() as u64 * LAYER + BLOCKS
}

/// Turns, stops, edits, changes of policy and reopenings over documents whose keys and values take
/// more than 100 MiB: a turn has the evicted cache, the new rows of one layer and its blocks in
/// memory, and never all layers.
#[test]
fn a_turn_never_holds_all_layers() {
    let folder = tempfile::tempdir().unwrap();
    let model = model();
    let network = model.network.clone();
    let archive = Archive::on_disk(folder.path(), network.identity(), 1 << 30).unwrap();
    let archive = Arc::new(archive);
    let mut session = Session::new(model, eviction(Preset::ADA_SNAPKV), None).unwrap();
    session.set_archive(Some(archive.clone())).unwrap();
    let greedy = Sampling {
        temperature: 0.0,
        repeat_penalty: 1.0,
        max_tokens: 12,
        ..Sampling::default()
    };
    let before = own();
    let mut random = Random::new(7);
    let mut longest = 0;
    for step in 0..14 {
        archive.settle(Duration::from_secs(60));
        let watch = Watch::start(archive.clone());
        let words = [20, 200, 500][random.below(3)];
        let question: String = (0..words)
            .map(|i| format!("w{} ", (i * 7 + step) % 50))
            .collect();
        let mut seen = Patience::default();
        let what = random.below(8);
        match what {
            0..4 => {
                session.ask(&question, &greedy, &mut seen).unwrap();
            }
            4 => {
                seen.most = Some(random.below(200));
                session.ask(&question, &greedy, &mut seen).unwrap();
            }
            5 => {
                let turns = session.messages().len() / 2;
                let rest = session.messages()[..2 * random.below(turns + 1)].to_vec();
                session.restart(None, Some(rest)).unwrap();
                session.ask(&question, &greedy, &mut seen).unwrap();
            }
            6 => {
                let said = session.messages().to_vec();
                session.restart(None, Some(said)).unwrap();
                session.ask("and again", &greedy, &mut seen).unwrap();
            }
            _ => {
                let presets = [
                    Preset::ADA_SNAPKV,
                    Preset::POOLED_SNAPKV,
                    Preset::ADA_PYRAMIDKV,
                ];
                session.set_eviction(eviction(presets[random.below(3)]));
                session.reselect(&mut seen).unwrap();
            }
        }
        let most = watch.end().saturating_sub(before);
        let tokens = session.position() as u64;
        longest = longest.max(tokens);
        let bound = bound(&session);
        assert!(
            most <= bound,
            "step {step}: {most} of {bound} bytes at {tokens} tokens"
        );
        if session.position() > CONTEXT - 2600 {
            session.restart(None, None).unwrap();
        }
    }
    assert!(
        longest * LAYER * LAYERS as u64 > 100 * MIB,
        "{longest} tokens are no long document"
    );
    // That it would have been seen: a full cache does hold them all.
    let bound = bound(&session);
    session.set_eviction(eviction(Preset::FULL));
    let watch = Watch::start(archive);
    session.reselect(&mut Patience::default()).unwrap();
    let tokens = session.position() as u64;
    let most = watch.end().saturating_sub(before);
    assert!(most >= tokens * LAYER * LAYERS as u64, "{most} bytes");
    assert!(most > 3 * bound, "{most} of {bound} bytes");
}
