//! Policies of one's own, built outside the crate: a score that reads keys, and an allocator whose
//! round waits for all layers and cuts earlier ones down again. CONTRIBUTING.md walks through them.

use std::sync::Arc;

use cachat::engine::evict::Evictor;
use cachat::engine::inspect::{Inspection, inspect};
use cachat::engine::lane::{Begin, Lane, Unread, Voice};
use cachat::engine::logits::likeliest;
use cachat::model::error::Result;
use cachat::model::gguf::GgufFile;
use cachat::model::{ComputePath, DeviceKind, LoadOptions, Logits, Network};
use cachat::policy::allocate::Uniform;
use cachat::policy::score::Window;
use cachat::policy::{
    Allocator, Choice, LayerBudget, Needs, Observed, Params, Policy, Preset, Round, Score,
    Selection, Terms,
};
use cachat::testing::{TinySpec, write_tiny_gguf};

fn network(path: ComputePath) -> Arc<dyn Network> {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("tiny.gguf");
    let spec = TinySpec {
        layers: 4,
        ..TinySpec::llama()
    };
    write_tiny_gguf(&at, &spec).unwrap();
    let file = Arc::new(GgufFile::open(&at).unwrap());
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        threads: Some(2),
        exact: true,
        path,
        ..LoadOptions::default()
    };
    cachat::model::load(&file, &options, &|_| {}).unwrap()
}

fn tokens(n: u32) -> Vec<u32> {
    (0..n).map(|i| (i * 7 + 3) % 250).collect()
}

const PARAMS: Params = Params {
    window: 8,
    kernel: 7,
    alpha: 0.2,
    slack: 4,
};

fn evictor(preset: Preset, budget: usize) -> Evictor {
    Evictor {
        preset,
        params: PARAMS,
        budget,
    }
}

/// Keys of a small norm are attended to (arXiv 2406.11430).
#[derive(Debug)]
struct KeyNorm;

impl Score for KeyNorm {
    fn needs(&self) -> Needs {
        Needs {
            keys: true,
            ..Needs::NONE
        }
    }

    fn of(&self, head: &Observed, evictable: usize, _: &Params) -> Vec<f32> {
        let norm = |key: &[f32]| key.iter().map(|x| x * x).sum::<f32>();
        let keys = head.keys.chunks_exact(head.head_dim);
        keys.take(evictable).map(|key| -norm(key)).collect()
    }
}

const KEY_NORM: Preset = Preset::new(
    "key-norm",
    "keys of a small norm",
    Policy {
        score: &KeyNorm,
        allocator: &Uniform,
        layers: LayerBudget::Flat,
    },
);

#[test]
fn a_score_of_ones_own_may_read_keys() {
    let run = |path: ComputePath, preset| -> Inspection {
        inspect(&network(path), &evictor(preset, 20), &tokens(90), 4).unwrap()
    };
    let (host, portable) = (
        run(ComputePath::Kernels, KEY_NORM),
        run(ComputePath::Portable, KEY_NORM),
    );
    let snap = run(ComputePath::Kernels, Preset::SNAPKV);
    let mut differ = 0;
    for ((a, b), snap) in host.layers.iter().zip(&portable.layers).zip(&snap.layers) {
        assert_eq!(a.kept, b.kept, "both backends show the score the same keys");
        assert!(a.budgets.iter().all(|&n| n == 20));
        differ += usize::from(a.kept != snap.kept);
    }
    assert!(differ > 0);
}

/// The heads of all layers compete for one total. Each layer keeps candidates until the last was
/// seen, twice its share per head, so that memory stays bounded on the way.
#[derive(Debug)]
struct Cascade;

impl Allocator for Cascade {
    fn shares(&self, worth: &[Vec<f32>], base: usize, _: f64) -> Vec<usize> {
        vec![2 * base; worth.len()]
    }

    fn pools(&self) -> bool {
        true
    }

    fn round(&self, terms: Terms) -> Option<Box<dyn Round>> {
        let held = Vec::new();
        Some(Box::new(Candidates { terms, held }))
    }
}

/// Worth of each candidate by `[layer][head]`, and the entries of the window behind them.
struct Candidates {
    terms: Terms,
    held: Vec<(usize, Vec<Vec<f32>>, Vec<usize>)>,
}

/// The best `n`, by index.
fn best(worth: &[f32], n: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..worth.len() as u32).collect();
    order.sort_by(|&a, &b| {
        worth[b as usize]
            .total_cmp(&worth[a as usize])
            .then(a.cmp(&b))
    });
    order.truncate(n);
    order.sort_unstable();
    order
}

fn choice(layer: usize, kept: Vec<Vec<u32>>) -> Choice {
    let retained = vec![1.0; kept.len()];
    let selection = Selection {
        uniform_retained: retained.clone(),
        kept,
        retained,
    };
    Choice { layer, selection }
}

impl Round for Candidates {
    fn needs(&self) -> Needs {
        self.terms.score.needs()
    }

    fn observe(&mut self, layer: usize, heads: Vec<Observed>) -> Vec<Choice> {
        let Terms {
            score,
            layers,
            params,
            extent,
        } = self.terms;
        let base = extent.base(layers, &params, layer);
        let (mut kept, mut held, mut windows) = (Vec::new(), Vec::new(), Vec::new());
        for head in &heads {
            let evictable = head.len().saturating_sub(params.window);
            let worth = score.of(head, evictable, &params);
            let mut best = best(&worth, 2 * base);
            held.push(best.iter().map(|&i| worth[i as usize]).collect());
            windows.push(head.len() - evictable);
            best.extend(evictable as u32..head.len() as u32);
            kept.push(best);
        }
        self.held.push((layer, held, windows));
        vec![choice(layer, kept)]
    }

    fn finish(&mut self) -> Vec<Choice> {
        let mut all: Vec<f32> = self
            .held
            .iter()
            .flat_map(|h| h.1.iter().flatten())
            .copied()
            .collect();
        all.sort_by(|a, b| b.total_cmp(a));
        let heads: usize = self.held.iter().map(|h| h.1.len()).sum();
        let total = heads * (self.terms.extent.budget - self.terms.params.window);
        let least = all
            .get(total.saturating_sub(1))
            .copied()
            .unwrap_or(f32::NEG_INFINITY);
        let mut left = total;
        let mut choices = Vec::new();
        for (layer, heads, windows) in self.held.drain(..) {
            let kept = heads.iter().zip(windows).map(|(worth, window)| {
                let above = worth.iter().filter(|&&w| w >= least).count().min(left);
                left -= above;
                let mut kept = best(worth, above);
                kept.extend(worth.len() as u32..(worth.len() + window) as u32);
                kept
            });
            choices.push(choice(layer, kept.collect()));
        }
        choices
    }
}

const POOLED: Preset = Preset::new(
    "pooled",
    "all layers' heads compete",
    Policy {
        score: &Window,
        allocator: &Cascade,
        layers: LayerBudget::Flat,
    },
);

/// Feeds the likeliest token and watches the cache.
struct Watch {
    left: usize,
    most: usize,
    rounds: usize,
}

impl Voice for Watch {
    fn next(&mut self, lane: &Lane, logits: Logits) -> Result<Option<u32>> {
        self.most = self.most.max(lane.layers().entries());
        self.left -= 1;
        let token = likeliest(logits)?;
        Ok((self.left > 0).then_some(token))
    }

    fn evicted(&mut self, _: &Lane, evicted: cachat::engine::lane::Evicted) {
        self.rounds += 1;
        assert_eq!(evicted.layers.len(), 4, "a round is over all layers");
    }
}

#[test]
fn a_round_may_wait_for_all_layers_and_cut_earlier_ones_again() {
    for path in ComputePath::ALL {
        let mut lane = Lane::new(&network(path), evictor(POOLED, 20)).unwrap();
        let read = lane.read(&tokens(120), &mut Unread).unwrap().unwrap();
        let layers = lane.layers();
        let (heads, all) = (4 * 2, layers.entries());
        assert_eq!(all, heads * 20, "one total for all layers");
        let totals: Vec<usize> = (0..4).map(|l| layers.layer_entries(l)).collect();
        assert!(totals.iter().any(|&n| n != totals[0]), "{totals:?}");
        // Every layer stands once in the report, from all it had to what it keeps.
        let report: Vec<_> = read
            .evicted
            .layers
            .iter()
            .map(|l| (l.layer, l.before_entries))
            .collect();
        assert_eq!(report, (0..4).map(|l| (l, 240)).collect::<Vec<_>>());
        // While decoding the whole cache has a bound, not each layer.
        let mut watch = Watch {
            left: 60,
            most: 0,
            rounds: 0,
        };
        lane.decode(Begin::Logits(read.logits.into()), &mut watch)
            .unwrap();
        assert!(watch.rounds >= 8, "{} rounds", watch.rounds);
        assert!(watch.most <= heads * (20 + PARAMS.slack), "{}", watch.most);
    }
}
