//! What the engine tells of layers that see a sliding window only.

use std::sync::Arc;

use cachat::archive::Archive;
use cachat::cache::PAGE;
use cachat::engine::event::{CachePicture, Event, Sampling};
use cachat::engine::evict::Evictor;
use cachat::engine::inspect::inspect;
use cachat::engine::lane::{Lane, Unread};
use cachat::engine::session::{Eviction, Session, Watcher};
use cachat::model::{DeviceKind, LoadOptions};
use cachat::policy::{Budget, Params, Preset};
use cachat::testing::write_family_gguf;

const WINDOW: usize = 16;
const BUDGET: usize = 24;
const PARAMS: Params = Params {
    window: 8,
    slack: 6,
    kernel: 7,
    alpha: 0.2,
};

fn session(preset: Preset, budget: Budget) -> Session {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    write_family_gguf(&path, "gemma3", 12).unwrap();
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        threads: Some(2),
        exact: true,
        ..LoadOptions::default()
    };
    let model = crate::common::load::model(&path, &options);
    let eviction = Eviction {
        preset,
        params: PARAMS,
        budget,
    };
    Session::new(model, eviction, None).unwrap()
}

/// Keeps every picture.
#[derive(Default)]
struct Pictures(Vec<CachePicture>);

impl Watcher for Pictures {
    fn stopped(&self) -> bool {
        false
    }

    fn event(&mut self, _: Event) {}

    fn picture(&mut self, picture: CachePicture) {
        self.0.push(picture);
    }
}

#[test]
fn an_inspection_has_every_layer_in_order() {
    let session = session(Preset::ADA_SNAPKV, Budget::Tokens(BUDGET));
    let network = &session.model().network;
    let evictor = Evictor {
        preset: Preset::ADA_SNAPKV,
        params: PARAMS,
        budget: BUDGET,
    };
    let ids: Vec<u32> = (0..150).map(|i| 3 + (i * 37 + i * i * 11) % 260).collect();
    let found = inspect(network, &evictor, &ids, 3).unwrap();
    let shapes = &network.description().layers;
    assert_eq!(found.layers.len(), shapes.len());
    let element = network.kv_dtype().1;
    let (mut used, mut full) = (0, 0);
    for (layer, shape) in found.layers.iter().zip(shapes) {
        let attention = shape.attention().unwrap();
        let entries: usize = layer.budgets.iter().sum();
        let lens: Vec<usize> = layer.kept.iter().map(Vec::len).collect();
        assert_eq!(layer.budgets, lens);
        assert_eq!(layer.sliding_window, attention.window);
        used += entries * attention.entry_bytes(element);
        match attention.window {
            Some(_) => {
                let newest: Vec<u32> = (150 - WINDOW as u32..150).collect();
                assert!(layer.kept.iter().all(|kept| *kept == newest));
                assert!(layer.retained_mass.iter().all(|&mass| mass == 1.0));
                assert_eq!(layer.l1_loss, 0.0);
                full += entries * attention.entry_bytes(element);
            }
            None => {
                assert_eq!(entries, BUDGET * attention.kv_heads);
                assert!(layer.l1_loss > 0.0);
                full += 150 * attention.kv_heads * attention.entry_bytes(element);
            }
        }
    }
    assert!(shapes.iter().any(|s| s.grows()) && shapes.iter().any(|s| !s.grows()));
    assert_eq!(
        (found.kv.used_bytes, found.kv.full_bytes),
        (used as u64, full as u64)
    );
}

#[test]
fn pictures_tell_windows_from_budgets() {
    let question = "a question that is longer than any of the windows that this model has";
    let greedy = Sampling {
        temperature: 0.0,
        max_tokens: 12,
        ..Sampling::default()
    };
    for preset in [Preset::FULL, Preset::ADA_SNAPKV] {
        let mut session = session(preset, Budget::Tokens(BUDGET));
        let mut pictures = Pictures::default();
        session.ask(question, &greedy, &mut pictures).unwrap();
        let d = session.model().network.description().clone();
        let windows: Vec<_> = d.layers.iter().map(|l| l.window()).collect();
        for p in &pictures.0 {
            assert_eq!(p.windows.len(), windows.len());
            let same = |(told, window): (&Option<u32>, &Option<usize>)| {
                told.map(|n| n as usize) == *window
            };
            assert!(p.windows.iter().zip(&windows).all(same));
        }
        let last = session.picture_with_holders();
        let of_growing = last.lens.iter().zip(&windows).filter(|(_, w)| w.is_none());
        let growing: u32 = of_growing.flat_map(|(lens, _)| lens).sum();
        let held: u32 = last.holders.iter().map(|&n| u32::from(n)).sum();
        assert_eq!(held, growing);
        assert!(last.position > WINDOW);
        if preset == Preset::FULL {
            // Windows let go of tokens, and yet nothing was evicted.
            assert_eq!(last.used_bytes, last.full_bytes);
            let heads = d.all_kv_heads() as u16;
            assert!(last.holders.iter().all(|&n| n == heads));
        } else {
            assert!(last.used_bytes < last.full_bytes);
            // A prefill on its way knows already what windows will hold.
            let through = pictures.0.iter().filter(|p| p.filled_layers.is_some());
            let full: Vec<u64> = through.map(|p| p.full_bytes).collect();
            assert!(!full.is_empty() && full.iter().all(|&bytes| bytes == full[0]));
        }
    }
}

#[test]
fn what_comes_back_is_of_layers_that_grow() {
    let session = session(Preset::ADA_SNAPKV, Budget::Tokens(BUDGET));
    let network = &session.model().network;
    let evictor = Evictor {
        preset: Preset::ADA_SNAPKV,
        params: PARAMS,
        budget: BUDGET,
    };
    let archive = Some(Arc::new(Archive::in_memory(network.identity(), 1 << 30)));
    let ids: Vec<u32> = (0..200).map(|i| 3 + (i * 37 + i * i * 11) % 260).collect();
    let mut first = Lane::archiving(network, evictor, archive.clone()).unwrap();
    first.recall(&ids, 0, &mut Unread).unwrap().unwrap();
    let mut again = Lane::archiving(network, evictor, archive).unwrap();
    let from = again.recallable(&ids);
    assert!(from > 100);
    let read = again.recall(&ids, from, &mut Unread).unwrap().unwrap();
    let kept = network.description().all_kv_heads() * BUDGET;
    assert!(read.evicted.came_back > 0 && read.evicted.came_back <= kept);
}

/// What no policy takes from counts as well: a size is that of the whole cache.
#[test]
fn a_size_bounds_the_layers_that_grow_and_those_with_windows_together() {
    let (growing, windows) = {
        let session = session(Preset::ADA_SNAPKV, Budget::Tokens(BUDGET));
        let network = &session.model().network;
        let d = network.description();
        let growing = d.layers.iter().filter(|l| l.grows()).count();
        assert!(growing < d.layers.len());
        let attention = d.layers[0].attention().unwrap();
        let entry = attention.kv_heads * attention.entry_bytes(network.kv_dtype().1);
        (growing * entry, (d.layers.len() - growing) * entry)
    };
    // A window lets go of what is behind it a page at a time.
    let size = growing * 30 + windows * (WINDOW + PAGE);
    let mut sized = session(Preset::ADA_SNAPKV, Budget::Bytes(size as u64));
    assert_eq!(sized.evictor(100).unwrap().budget, 30 - PARAMS.slack);
    let long = Sampling {
        temperature: 0.0,
        max_tokens: 150,
        ..Sampling::default()
    };
    let mut pictures = Pictures::default();
    sized
        .ask(&"words ".repeat(40), &long, &mut pictures)
        .unwrap();
    let read = pictures.0.iter().filter(|p| p.filled_layers.is_none());
    let used: Vec<u64> = read.map(|p| p.used_bytes).collect();
    assert!(used.len() > 1, "{used:?}");
    assert!(used.iter().all(|&n| n <= size as u64), "{size}: {used:?}");
}

#[test]
fn a_share_is_one_of_the_text() {
    let shared = session(Preset::ADA_SNAPKV, Budget::Share(0.25));
    assert_eq!(shared.evictor(100).unwrap().budget, 25);
}
