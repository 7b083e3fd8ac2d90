//! One layer on both, whatever it is like: appending, attending and judging come to the same.

use std::sync::Arc;

use super::against_host::emulated;
use crate::cache::paged::PagedLayer;
use crate::cache::{HostLayer, LayerState, QueryWindow, State, Store};
use crate::gpu::emulated::Emulated;
use crate::gpu::{Element, Gpu};
use crate::model::backend::{Backend, HeadNorms, Place};
use crate::model::gpu::Executor;
use crate::model::gpu::parts::{Angles, Vector};
use crate::model::gpu::rows::Rows;
use crate::model::host::Host;
use crate::model::rope;
use crate::model::shape::{AttentionShape, RopePairing, Rotary, Sections, Span, Values};
use crate::policy::Needs;
use crate::testing::random::Random;

const ALL: Needs = Needs {
    peak: true,
    keys: true,
    values: true,
    queries: true,
    projected: false,
};

struct Both {
    a: AttentionShape,
    norms: Option<[Vec<f32>; 2]>,
    sinks: Option<Vec<f32>>,
    /// How far apart they may be.
    within: f32,
    random: Random,
    host: Host<f32>,
    gpu: Executor,
    on_host: LayerState<HostLayer<f32>>,
    on_gpu: LayerState<PagedLayer>,
    position: usize,
}

fn state<S: Store>(layer: S) -> LayerState<S> {
    LayerState {
        layer,
        window: QueryWindow::new(5),
        state: State::default(),
    }
}

impl Both {
    fn new(a: AttentionShape, element: Element, seed: u64) -> Both {
        let exact = element == Element::F32;
        let host = Host::new(1, true);
        let gpu = Executor::new(emulated(seed), element, exact, true);
        Both {
            on_host: state(host.empty_layer(Some(&a)).unwrap()),
            on_gpu: state(gpu.empty_layer(Some(&a)).unwrap()),
            norms: None,
            sinks: None,
            within: if exact { 1e-4 } else { 0.03 },
            random: Random::new(seed),
            a,
            host,
            gpu,
            position: 0,
        }
    }

    fn numbers(&mut self, count: usize, by: f32) -> Vec<f32> {
        (0..count).map(|_| by * self.random.normal()).collect()
    }

    fn with_norms(mut self) -> Self {
        let dim = self.a.head_dim;
        self.norms = Some([self.numbers(dim, 1.0), self.numbers(dim, 1.0)]);
        self
    }

    fn with_sinks(mut self) -> Self {
        self.sinks = Some(self.numbers(self.a.heads, 1.0));
        self
    }

    fn vector(&self, of: &[f32]) -> Vector {
        self.gpu.vector(of.to_vec()).unwrap()
    }

    /// Appends `rows` random tokens and compares attention over `spans`; `decoded` as tokens of an answer.
    fn append(&mut self, rows: usize, spans: &[Span]) {
        let (q, kv) = self.a.widths();
        let qkv = self.numbers(rows * (q + 2 * kv), 1.2);
        let rotary = self.a.rotary;
        let half = rotary.map_or(0, |r| r.dim / 2);
        let base = rotary.map_or(1.0, |r| r.base);
        let turns: Vec<f32> = (0..half)
            .map(|i| base.powf(-(i as f32) / half as f32))
            .collect();
        let position = self.position;
        let of_row = |r: usize| turns.iter().map(move |t| (position + r) as f32 * t);
        let angles = (0..rows).flat_map(of_row);
        let angles: Vec<f32> = angles.collect();
        let of_host = rope::Angles {
            cos: angles.iter().map(|a| a.cos()).collect(),
            sin: angles.iter().map(|a| a.sin()).collect(),
            half,
        };
        let of_gpu = Angles {
            frequencies: Arc::new(self.gpu.gpu.upload(&turns).unwrap()),
            magnitude: 1.0,
        };
        // As `embed` says it: a single row is a step of decoding.
        match rows {
            1 => drop(self.gpu.gpu.begin_step(0).unwrap()),
            _ => self.gpu.gpu.end_step(),
        }
        let (start, offset, epsilon) = (self.position, 0, 1e-5);
        let weights = self
            .norms
            .as_ref()
            .map(|n| n.each_ref().map(|n| self.vector(n)));
        let norms = weights.as_ref().map(|[q, k]| HeadNorms {
            q,
            k: Some(k),
            v: None,
            epsilon,
        });
        let place = Place {
            start,
            rows,
            angles: rotary.map(|_| &of_gpu),
            offset,
        };
        let given = Rows::upload(&self.gpu.gpu, &qkv, rows).unwrap();
        let on_gpu = self
            .gpu
            .append(&self.a, norms, &mut self.on_gpu, given, place)
            .unwrap();
        let norms = self.norms.as_ref();
        let norms = norms.map(|[q, k]| HeadNorms {
            q,
            k: Some(k),
            v: None,
            epsilon,
        });
        let place = Place {
            start,
            rows,
            angles: rotary.map(|_| &of_host),
            offset,
        };
        let given = self.host_rows(qkv, rows);
        let on_host = self
            .host
            .append(&self.a, norms, &mut self.on_host, given, place)
            .unwrap();
        self.position += rows;
        let of_gpu = self.sinks.as_ref().map(|sinks| self.vector(sinks));
        for &span in spans {
            let (a, sinks) = (&self.a, self.sinks.as_ref());
            let expected = self
                .host
                .attend(a, &self.on_host.layer, &on_host, span, sinks);
            let expected = self.host.to_host(expected.unwrap()).unwrap();
            let found = self
                .gpu
                .attend(a, &self.on_gpu.layer, &on_gpu, span, of_gpu.as_ref());
            let found = found.unwrap().read().unwrap();
            self.close(&expected, &found, &format!("{span:?} of {rows} rows"));
        }
    }

    fn host_rows(&self, data: Vec<f32>, rows: usize) -> <Host<f32> as Backend>::Rows {
        let mut like = self.host.last_query(&QueryWindow::new(0)).unwrap();
        like.rows = rows;
        self.host.rows(data, &like).unwrap()
    }

    fn close(&self, expected: &[f32], found: &[f32], what: &str) {
        assert_eq!(expected.len(), found.len(), "{what}");
        let most = expected.iter().fold(1e-3f32, |most, x| most.max(x.abs()));
        for (i, (e, f)) in expected.iter().zip(found).enumerate() {
            let off = (e - f).abs();
            assert!(
                off < self.within * most,
                "{what} of {:?}, {i}: {e} and {f}",
                self.a
            );
        }
    }

    fn observe(&self) {
        let of_gpu = self.sinks.as_ref().map(|sinks| self.vector(sinks));
        let expected = self
            .host
            .observe(&self.a, &self.on_host, ALL, self.sinks.as_ref());
        let found = self
            .gpu
            .observe(&self.a, &self.on_gpu, ALL, of_gpu.as_ref());
        for (e, f) in expected.unwrap().iter().zip(&found.unwrap()) {
            assert_eq!(e.positions, f.positions);
            self.close(&e.scores.mean, &f.scores.mean, "mean");
            self.close(&e.scores.peak, &f.scores.peak, "peak");
            self.close(&e.keys, &f.keys, "keys");
            self.close(&e.values, &f.values, "values");
            self.close(&e.queries, &f.queries, "queries");
        }
        assert_eq!(self.on_host.layer.entries(), self.on_gpu.layer.entries());
        assert!(self.on_gpu.layer.allocated_bytes() >= self.on_gpu.layer.used_bytes());
    }

    fn keep(&mut self, every: impl Fn(usize) -> usize) {
        let lens = self.on_host.layer.lens();
        let heads = lens.iter().enumerate().map(|(h, &len)| {
            // The newest stay, as they do in an eviction.
            let stays = |i: &u32| !(*i as usize).is_multiple_of(every(h)) || *i as usize + 3 > len;
            (0..len as u32).filter(stays).collect()
        });
        let kept: Vec<Vec<u32>> = heads.collect();
        self.on_host.layer = self.on_host.layer.gather(&kept).unwrap();
        self.on_gpu.layer = self.on_gpu.layer.gather(&kept).unwrap();
    }

    /// Prefill, answers, evictions, and all of it again on ragged heads.
    fn runs(mut self) {
        let span = |behind, window| Span { behind, window };
        let window = self.a.window;
        let whole = span(0, window);
        self.append(4, &[whole]);
        self.append(59, &[whole, span(3, None)]);
        for _ in 0..3 {
            self.append(1, &[whole, span(2, None)]);
        }
        self.observe();
        self.keep(|h| h % 5 + 2);
        self.observe();
        for rows in [1, 1, 9, 1, 80, 1] {
            self.append(rows, &[whole, span(1, Some(6))]);
        }
        self.observe();
        self.keep(|_| 2);
        self.append(3, &[whole]);
        self.observe();
    }
}

fn shape(heads: usize, kv_heads: usize, head_dim: usize) -> AttentionShape {
    AttentionShape {
        heads,
        kv_heads,
        head_dim,
        rotary: Some(Rotary {
            dim: head_dim,
            base: 10_000.0,
            scale: 1.0,
            pairing: RopePairing::Halves,
            yarn: None,
            factors: None,
            magnitude: 1.0,
            sections: Sections::None,
        }),
        window: None,
        scale: 1.0 / (head_dim as f32).sqrt(),
        soft_cap: None,
        temperature: None,
        gated: false,
        values: Values::Plain,
        source: None,
    }
}

#[test]
fn heads_of_all_sizes_in_groups_of_all_sizes() {
    let shapes = [
        (1, 1, 64),
        (4, 2, 80),
        (6, 2, 96),
        (8, 1, 128),
        (5, 1, 256),
        (9, 1, 32),
        (17, 1, 16),
    ];
    for (i, (heads, kv_heads, dim)) in shapes.into_iter().enumerate() {
        // Each in another type than the one before; two in all of them.
        for (e, element) in [Element::F32, Element::F16, Element::BF16]
            .into_iter()
            .enumerate()
        {
            if i % 3 == e || (1..3).contains(&i) {
                Both::new(shape(heads, kv_heads, dim), element, i as u64).runs();
            }
        }
    }
}

#[test]
fn windows_caps_sinks_norms_and_partial_rotary() {
    let plain = shape(6, 3, 64);
    let rotary = |dim, pairing| plain.rotary.map(|r| Rotary { dim, pairing, ..r });
    for element in [Element::F32, Element::F16] {
        let both = |a| Both::new(a, element, 11);
        both(AttentionShape {
            soft_cap: Some(1.5),
            ..plain
        })
        .with_sinks()
        .runs();
        for window in [1, 7, 64, 500] {
            both(AttentionShape {
                window: Some(window),
                ..plain
            })
            .with_norms()
            .runs();
        }
        let neighbours = rotary(16, RopePairing::Interleaved);
        both(AttentionShape {
            rotary: neighbours,
            window: Some(20),
            ..plain
        })
        .with_sinks()
        .runs();
        both(AttentionShape {
            rotary: None,
            ..plain
        })
        .with_norms()
        .runs();
    }
}

#[test]
fn tokens_are_taken_back_and_entries_put_back_and_forks_part() {
    let mut both = Both::new(shape(4, 2, 32), Element::F32, 5);
    let see = [Span::default()];
    both.append(40, &[]);
    let whole = (both.on_host.clone(), both.on_gpu.clone());
    both.keep(|h| h + 2);
    both.append(4, &[]);
    both.on_host.layer.take_back(2);
    both.on_gpu.layer.take_back(2);
    both.position -= 2;
    both.append(1, &see);
    let fork = (both.on_host.clone(), both.on_gpu.clone());
    for _ in 0..3 {
        both.append(1, &see);
    }
    // The other side appends where this one has.
    let ours = std::mem::replace(&mut both.on_host, fork.0);
    let ours = (ours, std::mem::replace(&mut both.on_gpu, fork.1));
    both.position -= 3;
    both.append(1, &see);
    both.append(2, &see);
    both.observe();
    (both.on_host, both.on_gpu) = ours;
    both.observe();
    both.on_host.layer = both.on_host.layer.put_back(&whole.0.layer).unwrap();
    both.on_gpu.layer = both.on_gpu.layer.put_back(&whole.1.layer).unwrap();
    both.append(1, &see);
    both.observe();
    // Out to the host's pages and back.
    let len = 41;
    let pages = whole.1.layer.export(0).unwrap();
    let again = whole.1.layer.import(pages, len - 1).unwrap();
    assert_eq!(again.positions(1), whole.1.layer.positions(1));
    let entries = |layer: &PagedLayer| layer.read_entries().unwrap();
    assert_eq!(entries(&again), entries(&whole.1.layer));
}

/// What was there stays when the device is full in the middle of a token, and goes on when there is room again.
#[test]
fn a_full_device_leaves_the_layer_as_it_was() {
    let a = shape(4, 4, 64);
    let element = Element::F16;
    let limited = Emulated::limited(3, 9 << 20).unwrap();
    let gpu = Gpu::new(Box::new(limited));
    let executor = Executor::new(gpu.clone(), element, false, true);
    let mut layer = executor.empty_layer(Some(&a)).unwrap();
    // Two slabs of 256 pages fit.
    let held: Vec<_> = (0..507)
        .map(|_| gpu.page(2 * 64 * 64 * 2).unwrap())
        .collect();
    layer.extend(0, 64).unwrap();
    for fork in [None, Some(layer.clone())] {
        let (before, bytes) = (layer.lens(), layer.allocated_bytes());
        assert!(layer.extend(64, 70).is_err());
        assert_eq!((layer.lens(), layer.allocated_bytes()), (before, bytes));
        drop(fork);
    }
    drop(held);
    layer.extend(64, 70).unwrap();
    assert_eq!(layer.lens(), [134; 4]);
}
