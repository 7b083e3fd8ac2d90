//! Layers that keep a state in place of entries: what the cache, the archive and the pictures make of
//! them, and that every family is bounded and recalled alike.

use std::sync::Arc;

use cachat::archive::Archive;
use cachat::engine::evict::Evictor;
use cachat::engine::inspect::inspect;
use cachat::engine::lane::{Begin, Lane, Unread, Voice};
use cachat::model::{ComputePath, Logits, ModelError, Network, NoHooks};
use cachat::policy::{Params, Preset};

use super::generated::{load, names};

const BUDGET: usize = 24;
const WITH_STATES: [&str; 3] = ["lfm2", "qwen35", "qwen35moe"];

fn evictor(preset: Preset) -> Evictor {
    let params = Params {
        window: 8,
        slack: 6,
        kernel: 7,
        alpha: 0.2,
    };
    Evictor {
        preset,
        params,
        budget: BUDGET,
    }
}

fn ids(len: usize) -> Vec<u32> {
    let id = |i: u32| 3 + (i * 37 + i * i * 11) % 260;
    (0..len as u32).map(id).collect()
}

fn same(a: &[f32], b: &[f32], what: &str) {
    let largest = b.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    let off = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    let off = off.fold(0.0, f32::max);
    assert!(off < 1e-4 * largest, "{what}: {off} of {largest}");
}

/// Says what it is given, and keeps what the model would say then.
struct Script<'a> {
    rest: std::slice::Iter<'a, u32>,
    heard: Vec<Vec<f32>>,
    most_entries: usize,
}

impl Voice for Script<'_> {
    fn next(&mut self, lane: &Lane, logits: Logits) -> Result<Option<u32>, ModelError> {
        let layers = lane.layers();
        let shapes = layers.description().layers.iter().enumerate();
        let growing = shapes.filter(|(_, shape)| shape.grows());
        let held = growing.map(|(l, _)| layers.layer_entries(l)).sum();
        self.most_entries = self.most_entries.max(held);
        self.heard.push(logits.whole()?);
        Ok(self.rest.next().copied())
    }
}

fn say<'a>(lane: &mut Lane, ids: &'a [u32]) -> Script<'a> {
    let mut script = Script {
        rest: ids[1..].iter(),
        heard: Vec::new(),
        most_entries: 0,
    };
    lane.decode(Begin::Token(ids[0]), &mut script).unwrap();
    script
}

/// Which positions every head holds.
fn sets(lane: &Lane) -> Vec<Vec<Vec<u32>>> {
    let layers = lane.layers();
    let of_layer = |l: usize| {
        let heads = 0..layers.lens(l).len();
        heads.map(|h| layers.positions(l, h).to_vec()).collect()
    };
    (0..layers.count()).map(of_layer).collect()
}

#[test]
fn every_family_stays_within_its_bound_while_it_decodes() {
    for name in names() {
        for path in ComputePath::ALL {
            let network = load(name, path, true);
            let mut lane = Lane::new(&network, evictor(Preset::ADA_SNAPKV)).unwrap();
            // Longer where it takes no time: three evictions, or ten.
            let said = if path == ComputePath::Kernels { 60 } else { 20 };
            let ids = ids(90 + said);
            lane.read(&ids[..90], &mut Unread).unwrap().unwrap();
            let most = network.description().all_kv_heads() * (BUDGET + 6 + 1);
            let held = say(&mut lane, &ids[90..]).most_entries;
            assert!(held > 0 && held <= most, "{name}: {held} of {most}");
        }
    }
}

/// A second question, whose past comes from the archive, is as good as all of it in one prompt.
#[test]
fn every_family_recalls_what_it_read() {
    for name in names() {
        let network = load(name, ComputePath::Kernels, true);
        let (talk, len) = (ids(260), network.description().layers.len());
        for folder in [None, Some(tempfile::tempdir().unwrap())] {
            let archive = match &folder {
                None => Archive::in_memory(network.identity(), 1 << 30),
                Some(at) => Archive::on_disk(at.path(), network.identity(), 1 << 30).unwrap(),
            };
            let evictor = evictor(Preset::ADA_SNAPKV);
            let lane = |archive| Lane::archiving(&network, evictor, archive).unwrap();
            let mut first = lane(Some(Arc::new(archive)));
            first.recall(&talk[..160], 0, &mut Unread).unwrap().unwrap();
            let from = first.recallable(&talk);
            assert_eq!(from, 160, "{name}");
            let read = first.recall(&talk, from, &mut Unread).unwrap().unwrap();
            let mut whole = lane(None);
            let wanted = whole.read(&talk, &mut Unread).unwrap().unwrap();
            same(&read.logits, &wanted.logits, name);
            assert_eq!(sets(&first), sets(&whole), "{name}");
            let next = |lane: &mut Lane| say(lane, &[9]).heard;
            same(&next(&mut first)[0], &next(&mut whole)[0], name);
            assert_eq!(first.layers().count(), len);
        }
    }
}

/// Going back reads again from the last position before which the states were kept.
#[test]
fn going_back_goes_on_from_a_snapshot() {
    for name in WITH_STATES {
        let network = load(name, ComputePath::Kernels, true);
        let archive = Arc::new(Archive::in_memory(network.identity(), 1 << 30));
        let full = evictor(Preset::FULL);
        let talk = ids(1_300);
        let lane = || Lane::archiving(&network, full, Some(archive.clone())).unwrap();
        let mut first = lane();
        first.recall(&talk, 0, &mut Unread).unwrap().unwrap();
        // Another end, as far back as an edited question, and in another conversation.
        for same_until in [1_290, 1_200, 1_000] {
            let mut other = talk[..same_until].to_vec();
            other.extend([200, 7, 30, 99].repeat(30));
            let mut edited = lane();
            let from = edited.recallable(&other);
            let again = same_until - from;
            assert!(
                from > 0 && again <= 2 * (1_300 - same_until) + 256,
                "{name}: {again}"
            );
            let read = edited.recall(&other, from, &mut Unread).unwrap().unwrap();
            let mut whole = Lane::new(&network, full).unwrap();
            let wanted = whole.read(&other, &mut Unread).unwrap().unwrap();
            same(&read.logits, &wanted.logits, name);
        }
        // The same question once more: its last tokens judge and are read again.
        let from = first.recallable(&talk);
        assert!(from > 1_000 && from < 1_300, "{name}: {from}");
    }
}

/// What was decoded over a cache that holds all is archived with its states.
#[test]
fn decoded_tokens_are_recalled_with_their_states() {
    for name in WITH_STATES {
        let network = load(name, ComputePath::Kernels, true);
        let archive = Arc::new(Archive::in_memory(network.identity(), 1 << 30));
        let full = evictor(Preset::FULL);
        let talk = ids(120);
        let mut first = Lane::archiving(&network, full, Some(archive.clone())).unwrap();
        first.recall(&talk[..50], 0, &mut Unread).unwrap().unwrap();
        say(&mut first, &talk[50..90]);
        first.archive_decoded().unwrap();
        let other = Lane::archiving(&network, full, Some(archive)).unwrap();
        // The first one's reading keeps the states once more, a little before its end.
        for (mut lane, expected) in [(first, 90), (other, 104)] {
            let from = lane.recallable(&talk);
            assert_eq!(from, expected, "{name}");
            let read = lane.recall(&talk, from, &mut Unread).unwrap().unwrap();
            let mut whole = Lane::new(&network, full).unwrap();
            let wanted = whole.read(&talk, &mut Unread).unwrap().unwrap();
            same(&read.logits, &wanted.logits, name);
        }
    }
}

#[test]
fn a_token_that_was_stopped_leaves_no_trace() {
    for name in WITH_STATES {
        for path in ComputePath::ALL {
            let network: Arc<dyn Network> = load(name, path, true);
            let mut sequence = network.clone().sequence(8).unwrap();
            let mut other = network.clone().sequence(8).unwrap();
            for s in [&mut sequence, &mut other] {
                s.prefill(&ids(40), &mut NoHooks).unwrap().unwrap();
                s.decode(5, &|| false).unwrap().unwrap();
            }
            let bytes = sequence.used_bytes();
            for layers in [1u8, 4, 6] {
                let left = std::cell::Cell::new(usize::from(layers));
                let stopped = || left.replace(left.get().saturating_sub(1)) == 0;
                assert!(sequence.decode(77, &stopped).unwrap().is_none());
                assert_eq!(sequence.used_bytes(), bytes, "{name}");
            }
            let fork = sequence.fork();
            for id in [6, 7] {
                let a = sequence.decode(id, &|| false).unwrap().unwrap();
                let b = other.decode(id, &|| false).unwrap().unwrap();
                assert_eq!(a, b, "{name}");
            }
            // What went on does not touch the fork.
            let mut fork = fork;
            let mut third = network.clone().sequence(8).unwrap();
            third.prefill(&ids(40), &mut NoHooks).unwrap().unwrap();
            third.decode(5, &|| false).unwrap().unwrap();
            let a = fork.decode(9, &|| false).unwrap().unwrap();
            assert_eq!(a, third.decode(9, &|| false).unwrap().unwrap(), "{name}");
        }
    }
}

#[test]
fn an_inspection_tells_states_from_entries() {
    for name in WITH_STATES {
        let network = load(name, ComputePath::Kernels, true);
        let found = inspect(&network, &evictor(Preset::ADA_SNAPKV), &ids(150), 3).unwrap();
        let shapes = &network.description().layers;
        let (mut used, mut full) = (0, 0);
        for (layer, shape) in found.layers.iter().zip(shapes) {
            match shape.attention() {
                Some(a) => {
                    assert_eq!(layer.state_bytes, None);
                    used += layer.budgets.iter().sum::<usize>() * a.entry_bytes(4);
                    full += 150 * a.kv_heads * a.entry_bytes(4);
                }
                None => {
                    assert!(layer.budgets.is_empty() && layer.kept.is_empty());
                    assert_eq!(layer.state_bytes, Some(shape.state_bytes()));
                    used += shape.state_bytes();
                    full += shape.state_bytes();
                }
            }
        }
        let kv = (found.kv.used_bytes, found.kv.full_bytes);
        assert_eq!(kv, (used as u64, full as u64), "{name}");
        assert!(used < full);
    }
}
