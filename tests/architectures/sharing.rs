//! Layers that see the keys and values of an earlier layer (Gemma 4): what they hold, that what they see
//! is whole while they are read, and how that goes with eviction and the archive.

use std::sync::Arc;

use cachat::archive::Archive;
use cachat::engine::event::{CachePicture, Event, Sampling};
use cachat::engine::evict::Evictor;
use cachat::engine::inspect::inspect;
use cachat::engine::lane::{Begin, Decoded, Lane, Unread, Voice};
use cachat::engine::session::{Eviction, Model, Session, Watcher};
use cachat::model::{ComputePath, DeviceKind, Layers, LoadOptions, Logits, Network, NoHooks};
use cachat::policy::{Budget, Params, Preset};
use cachat::testing::write_family_gguf;

const BUDGET: usize = 24;
const PARAMS: Params = Params {
    window: 8,
    slack: 6,
    kernel: 7,
    alpha: 0.2,
};
/// Layers that a policy bounds, and those that share.
const GROWING: [usize; 2] = [2, 4];
const SHARING: [usize; 2] = [5, 6];

fn network(path: ComputePath) -> Arc<dyn Network> {
    model(path).network
}

fn model(path: ComputePath) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("tiny.gguf");
    write_family_gguf(&at, "gemma4", 7).unwrap();
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        threads: Some(2),
        exact: true,
        path,
        ..LoadOptions::default()
    };
    crate::common::load::model(&at, &options)
}

fn ids(len: u32) -> Vec<u32> {
    (0..len).map(|i| 3 + (i * 37 + i * i * 11) % 260).collect()
}

fn evictor(preset: Preset) -> Evictor {
    Evictor {
        preset,
        params: PARAMS,
        budget: BUDGET,
    }
}

fn close(found: &[f32], wanted: &[f32], what: &str) {
    let largest = wanted.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    let pairs = found.iter().zip(wanted);
    let off = pairs.map(|(f, w)| (f - w).abs()).fold(0.0, f32::max);
    assert!(off < 1e-4 * largest, "{what}: {off} of {largest}");
}

fn kept(layers: &dyn Layers) -> Vec<Vec<Vec<u32>>> {
    let heads = |l| (0..layers.lens(l).len()).map(move |h| layers.positions(l, h).to_vec());
    (0..layers.count()).map(|l| heads(l).collect()).collect()
}

/// Says what it is given, and keeps the logits behind it.
struct Given<'a> {
    ids: std::slice::Iter<'a, u32>,
    last: Vec<f32>,
    check: &'a dyn Fn(&dyn Layers),
}

impl Voice for Given<'_> {
    fn next(
        &mut self,
        lane: &Lane,
        logits: Logits,
    ) -> Result<Option<u32>, cachat::model::ModelError> {
        (self.check)(lane.layers());
        self.last = logits.whole()?;
        Ok(self.ids.next().copied())
    }
}

fn say(lane: &mut Lane, logits: Vec<f32>, ids: &[u32], check: &dyn Fn(&dyn Layers)) -> Vec<f32> {
    let mut voice = Given {
        ids: ids.iter(),
        last: Vec::new(),
        check,
    };
    let decoded = lane
        .decode(Begin::Logits(logits.into()), &mut voice)
        .unwrap();
    assert_eq!(decoded, Decoded::Whole);
    voice.last
}

#[test]
fn what_is_shared_is_held_once() {
    for path in ComputePath::ALL {
        let network = network(path);
        let d = network.description();
        let growing: Vec<usize> = (0..d.layers.len())
            .filter(|&l| d.layers[l].grows())
            .collect();
        assert_eq!(growing, GROWING);
        // Two layers with a KV head of 32 numbers each, in f32.
        assert_eq!((d.all_kv_heads(), d.token_bytes(4)), (2, 2 * 2 * 32 * 4));
        let mut sequence = network.clone().sequence(8).unwrap();
        sequence.prefill(&ids(100), &mut NoHooks).unwrap();
        for layer in SHARING {
            assert!(sequence.lens(layer).is_empty());
            assert_eq!(sequence.layer_bytes(layer), 0);
            // It attends all the same.
            assert!(
                sequence
                    .attention_output(layer)
                    .unwrap()
                    .iter()
                    .any(|&x| x != 0.0)
            );
        }
        assert_eq!(sequence.holders(), vec![2; 100]);
    }
}

#[test]
fn blocks_of_a_prefill_see_what_single_tokens_see() {
    let ids = ids(600);
    for path in ComputePath::ALL {
        let network = network(path);
        let mut whole = network.clone().sequence(8).unwrap();
        let wanted = whole.prefill(&ids, &mut NoHooks).unwrap().unwrap();
        let mut parts = network.clone().sequence(8).unwrap();
        parts.prefill(&ids[..33], &mut NoHooks).unwrap().unwrap();
        parts.prefill(&ids[33..340], &mut NoHooks).unwrap().unwrap();
        let mut found = Vec::new();
        for &id in &ids[340..] {
            found = parts.decode(id, &|| false).unwrap().unwrap();
        }
        close(&found, &wanted, "decoded");
        for layer in GROWING {
            assert_eq!(whole.lens(layer), parts.lens(layer));
        }
    }
}

#[test]
fn a_layer_is_evicted_behind_all_that_see_it() {
    let ids = ids(300);
    for path in ComputePath::ALL {
        let network = network(path);
        let mut full = network.clone().sequence(8).unwrap();
        let wanted = full.prefill(&ids, &mut NoHooks).unwrap().unwrap();
        for preset in [Preset::ADA_SNAPKV, Preset::POOLED_SNAPKV, Preset::PYRAMIDKV] {
            let mut lane = Lane::new(&network, evictor(preset)).unwrap();
            let read = lane.read(&ids, &mut Unread).unwrap().unwrap();
            // Nothing was gone when the last layer looked.
            close(&read.logits, &wanted, preset.name());
            let evicted: Vec<usize> = read.evicted.layers.iter().map(|l| l.layer).collect();
            assert_eq!(evicted, GROWING);
            let check = |layers: &dyn Layers| {
                let entries: usize = GROWING.iter().map(|&l| layers.layer_entries(l)).sum();
                assert!(entries <= 2 * (BUDGET + PARAMS.slack) + 2, "{entries}");
                for layer in [0, 1, 3] {
                    assert!(layers.lens(layer).iter().all(|&len| len <= 16 + 64));
                }
                assert!(SHARING.iter().all(|&l| layers.lens(l).is_empty()));
            };
            let more: Vec<u32> = (0..120).map(|i| 3 + (i * 71) % 260).collect();
            let last = say(&mut lane, read.logits, &more, &check);
            assert!(last.iter().all(|x| x.is_finite()));
            assert_eq!(lane.position(), 420);
        }
    }
}

#[test]
fn a_recall_gives_what_one_prompt_gives() {
    let ids = ids(400);
    let [kernels, portable, emulated] = ComputePath::ALL;
    for (path, on_disk) in [
        (kernels, true),
        (kernels, false),
        (portable, true),
        (emulated, true),
    ] {
        let network = network(path);
        for preset in [Preset::ADA_SNAPKV, Preset::POOLED_SNAPKV] {
            let folder = tempfile::tempdir().unwrap();
            let archive = |name: &str| {
                let identity = network.identity();
                Some(Arc::new(match on_disk {
                    true => Archive::on_disk(&folder.path().join(name), identity, 1 << 30).unwrap(),
                    false => Archive::in_memory(identity, 1 << 30),
                }))
            };
            let evictor = evictor(preset);
            let mut whole = Lane::archiving(&network, evictor, archive("whole")).unwrap();
            let wanted = whole.recall(&ids, 0, &mut Unread).unwrap().unwrap().logits;
            let mut turns = Lane::archiving(&network, evictor, archive("turns")).unwrap();
            for end in [150, 170, 290, 400] {
                let from = turns.recallable(&ids[..end]);
                let read = turns
                    .recall(&ids[..end], from, &mut Unread)
                    .unwrap()
                    .unwrap();
                if end == ids.len() {
                    assert!(from > 280, "{from}");
                    close(&read.logits, &wanted, preset.name());
                }
            }
            assert_eq!(kept(turns.layers()), kept(whole.layers()), "{preset}");
        }
    }
}

#[test]
fn what_was_decoded_is_recalled() {
    let ids = ids(300);
    for path in ComputePath::ALL {
        let network = network(path);
        let mut whole = network.clone().sequence(8).unwrap();
        let wanted = whole.prefill(&ids, &mut NoHooks).unwrap().unwrap();
        let archive = Some(Arc::new(Archive::in_memory(network.identity(), 1 << 30)));
        let none = Evictor::none(PARAMS);
        let mut first = Lane::archiving(&network, none, archive.clone()).unwrap();
        let read = first.recall(&ids[..90], 0, &mut Unread).unwrap().unwrap();
        say(&mut first, read.logits, &ids[90..270], &|_| {});
        first.archive_decoded().unwrap();
        let mut again = Lane::archiving(&network, none, archive).unwrap();
        let from = again.recallable(&ids);
        assert_eq!(from, 270);
        let read = again.recall(&ids, from, &mut Unread).unwrap().unwrap();
        close(&read.logits, &wanted, "recalled");
    }
}

/// Keeps how many layers each picture of a read had.
#[derive(Default)]
struct Filled(Vec<usize>);

impl Watcher for Filled {
    fn stopped(&self) -> bool {
        false
    }

    fn event(&mut self, _: Event) {}

    fn picture(&mut self, picture: CachePicture) {
        self.0.extend(picture.filled_layers);
    }
}

#[test]
fn pictures_count_what_is_held_once() {
    let greedy = Sampling {
        temperature: 0.0,
        max_tokens: 12,
        ..Sampling::default()
    };
    for preset in [Preset::FULL, Preset::ADA_SNAPKV] {
        let eviction = Eviction {
            preset,
            params: PARAMS,
            budget: Budget::Tokens(BUDGET),
        };
        let mut session = Session::new(model(ComputePath::Kernels), eviction, None).unwrap();
        let mut filled = Filled::default();
        let question = "a question that is longer than the window that this model has, by far";
        session.ask(question, &greedy, &mut filled).unwrap();
        assert!(
            filled.0.is_sorted() && filled.0.last() == Some(&7),
            "{:?}",
            filled.0
        );
        let picture = session.picture_with_holders();
        let sources = [None, None, None, None, None, Some(3), Some(4)];
        assert_eq!(picture.sources, sources);
        assert_eq!(picture.windows[5], None);
        let held: u32 = GROWING.iter().flat_map(|&l| &picture.lens[l]).sum();
        assert_eq!(
            picture.holders.iter().map(|&n| u32::from(n)).sum::<u32>(),
            held
        );
        match preset == Preset::FULL {
            true => assert_eq!(picture.used_bytes, picture.full_bytes),
            false => assert!(picture.used_bytes < picture.full_bytes),
        }
    }
}

#[test]
fn an_inspection_tells_whose_entries_a_layer_sees() {
    let network = network(ComputePath::Kernels);
    let evictor = evictor(Preset::ADA_SNAPKV);
    let found = inspect(&network, &evictor, &ids(150), 3).unwrap();
    let read = |evictor| {
        let mut lane = Lane::new(&network, evictor).unwrap();
        lane.read(&ids(150), &mut Unread).unwrap();
        lane
    };
    let (whole, cut) = (read(Evictor::none(PARAMS)), read(evictor));
    let l1 = |y: &[f32]| y.iter().map(|&x| f64::from(x).abs()).sum::<f64>();
    for (l, layer) in found.layers.iter().enumerate() {
        // Its own, though layers that others see are done behind them.
        let full = whole.layers().attention_output(l).unwrap();
        let evicted = cut.layers().attention_output(l).unwrap();
        let near = 1e-4 * l1(&full);
        assert!((layer.l1_full - l1(&full)).abs() < near, "layer {l}");
        if GROWING.contains(&l) {
            let lost: Vec<f32> = full.iter().zip(&evicted).map(|(a, b)| a - b).collect();
            assert!((layer.l1_loss - l1(&lost)).abs() < near, "layer {l}");
        }
        let source = SHARING.contains(&l).then(|| l - 2);
        assert_eq!(layer.source_layer, source);
        assert_eq!(layer.budgets.is_empty(), source.is_some());
        assert!(layer.l1_full > 0.0);
        assert_eq!(layer.l1_loss > 0.0, GROWING.contains(&l));
    }
}
