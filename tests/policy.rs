//! Policies of one's own, built outside the crate: a score that reads keys, and an allocator whose
//! round waits for all layers and cuts earlier ones down again. CONTRIBUTING.md walks through them.

use std::sync::Arc;

use cachat::engine::evict::Evictor;
use cachat::engine::inspect::{Inspection, inspect};
use cachat::engine::lane::{Begin, Lane, Unread, Voice};
use cachat::engine::logits::likeliest;
use cachat::engine::repetition::{Again, Repetition};
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

/// CriticalKV's norms are a kernel's on the CPU, and elsewhere what the output projection makes of one input
/// after the other.
#[test]
fn every_path_weighs_values_with_the_output_projection() {
    for name in ["critical", "ada-critical", "pooled-critical"] {
        let run = |path, name: &str| -> Vec<Vec<Vec<u32>>> {
            let evictor = evictor(name.parse().unwrap(), 20);
            let inspection = inspect(&network(path), &evictor, &tokens(90), 4).unwrap();
            inspection.layers.into_iter().map(|l| l.kept).collect()
        };
        let by_attention = run(ComputePath::Kernels, &name.replace("critical", "snapkv"));
        let found = ComputePath::ALL.map(|path| run(path, name));
        assert_ne!(found[0], by_attention, "{name}");
        for (path, other) in ComputePath::ALL.iter().zip(&found) {
            assert_eq!(*other, found[0], "{name} by {path:?}");
        }
    }
}

/// What a policy keeps is the same whether a text is read at once or its end behind what was read before, so in
/// other blocks.
#[test]
fn what_is_kept_does_not_depend_on_the_blocks_of_a_prefill() {
    let (network, tokens) = (network(ComputePath::Kernels), tokens(300));
    let kept = |lane: &Lane| -> Vec<Vec<u32>> {
        let layers = lane.layers();
        let of = |l| (0..layers.lens(l).len()).map(move |h| layers.positions(l, h).to_vec());
        (0..layers.count()).flat_map(of).collect()
    };
    for preset in Preset::every() {
        let mut whole = Lane::new(&network, evictor(preset, 20)).unwrap();
        whole.read(&tokens, &mut Unread).unwrap().unwrap();
        for first in [31, 64, 200, 292] {
            let mut full = Lane::new(&network, Evictor::none(PARAMS)).unwrap();
            full.read(&tokens[..first], &mut Unread).unwrap().unwrap();
            let mut lane = full.fork(evictor(preset, 20));
            let from = lane.recallable(&tokens);
            assert_eq!(from, first);
            lane.recall(&tokens, from, &mut Unread).unwrap().unwrap();
            assert_eq!(kept(&lane), kept(&whole), "{preset}, {first} before");
        }
    }
}

/// What a round is shown of a layer.
struct Shown(Vec<Observed>);

impl Round for Shown {
    fn needs(&self) -> Needs {
        Needs {
            keys: true,
            queries: true,
            ..Needs::NONE
        }
    }

    fn observe(&mut self, _: usize, heads: Vec<Observed>) -> Vec<Choice> {
        self.0 = heads;
        Vec::new()
    }
}

const TEXT: usize = 150;

/// A part of the text, and what asks for it.
fn again(text: &[u32], part: std::ops::Range<usize>) -> Again {
    let tokens = [&[7, 8, 9], &text[part.clone()]].concat();
    Again { part, tokens }
}

/// The strongest attention of the repeated tokens, entry by entry, shared out as KVzip does.
fn strongest(text: &[u32], again: &Again) -> Vec<Vec<Vec<f32>>> {
    let window = again.tokens.len();
    let params = Params { window, ..PARAMS };
    let network = network(ComputePath::Kernels);
    let mut lane = Lane::new(&network, Evictor::none(params)).unwrap();
    lane.read(&[text, &again.tokens].concat(), &mut Unread)
        .unwrap()
        .unwrap();
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let of_head = |head: &Observed| {
        let mut most = vec![0.0f32; TEXT];
        most[..4].fill(1.0);
        for (q, query) in head.queries.chunks_exact(head.head_dim).enumerate() {
            let last = TEXT + q / head.group;
            let seen = |p: &usize| *p < 4 || again.part.contains(p) || *p >= TEXT;
            let seen: Vec<usize> = (0..=last).filter(seen).collect();
            let key = |p: usize| &head.keys[p * head.head_dim..][..head.head_dim];
            let weights: Vec<f64> = seen.iter().map(|&p| dot(query, key(p)).exp()).collect();
            let all: f64 = weights.iter().sum();
            for (p, weight) in seen.iter().zip(weights) {
                if again.part.contains(p) {
                    most[*p] = most[*p].max((weight / all) as f32);
                }
            }
        }
        most
    };
    let layers = lane.layers();
    let of_layer = |layer| {
        let mut shown = Shown(Vec::new());
        layers.select(layer, layer, &mut shown).unwrap();
        shown.0.iter().map(of_head).collect()
    };
    (0..layers.count()).map(of_layer).collect()
}

fn of_all(found: &Repetition) -> Vec<Vec<Vec<f32>>> {
    let heads = |layer| (0..2).map(move |head| found.of(layer, head).to_vec());
    (0..4).map(|layer| heads(layer).collect()).collect()
}

#[test]
fn a_repetition_is_the_strongest_attention_of_what_is_said_again() {
    let text = tokens(TEXT as u32);
    let parts = [again(&text, 0..70), again(&text, 70..150)];
    let [first, second] = parts.each_ref().map(|again| strongest(&text, again));
    for path in ComputePath::ALL {
        let mut lane = Lane::new(&network(path), Evictor::none(PARAMS)).unwrap();
        lane.read(&text, &mut Unread).unwrap().unwrap();
        let found = lane.repeated(&parts, &|| false).unwrap().unwrap();
        assert_eq!(lane.position(), TEXT);
        for (l, layer) in of_all(&found).iter().enumerate() {
            for (h, head) in layer.iter().enumerate() {
                assert_eq!(head.len(), TEXT);
                for (p, &found) in head.iter().enumerate() {
                    let expected = first[l][h][p].max(second[l][h][p]);
                    assert!((found - expected).abs() < 1e-4, "{path:?} {l} {h} {p}");
                }
            }
        }
        assert!(lane.repeated(&parts, &|| true).unwrap().is_none());
    }
}

#[test]
fn a_cache_is_cut_down_by_a_repetition_under_every_policy() {
    let text = tokens(TEXT as u32);
    let network = network(ComputePath::Kernels);
    let mut full = Lane::new(&network, Evictor::none(PARAMS)).unwrap();
    full.read(&text, &mut Unread).unwrap().unwrap();
    let parts = [again(&text, 0..70), again(&text, 70..150)];
    let found = Arc::new(full.repeated(&parts, &|| false).unwrap().unwrap());
    for preset in Preset::every().skip(1) {
        let mut lane = full.fork(evictor(preset, 20));
        let evicted = lane.evict_by(&found).unwrap();
        assert_eq!(evicted.layers.len(), 4, "{preset}");
        let entries = lane.layers().entries();
        assert!(entries.abs_diff(8 * 20) <= 12, "{preset}: {entries}");
    }
    let raw = Params {
        kernel: 1,
        ..PARAMS
    };
    let raw = Evictor {
        params: raw,
        ..evictor(Preset::SNAPKV, 20)
    };
    let mut lane = full.fork(raw);
    lane.evict_by(&found).unwrap();
    for (l, layer) in of_all(&found).iter().enumerate() {
        for (h, head) in layer.iter().enumerate() {
            let mut expected = best(&head[..TEXT - 8], 12);
            expected.extend(TEXT as u32 - 8..TEXT as u32);
            assert_eq!(lane.layers().positions(l, h), expected, "{l} {h}");
        }
    }
}

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
