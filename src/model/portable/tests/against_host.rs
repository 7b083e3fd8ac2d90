//! Appending, attending and observing give what the CPU backend's kernels give, for all that a
//! layer can be like.

use candle_core::{DType, Device, Tensor};

use super::shapes::plain;
use crate::cache::{HostLayer, LayerState, QueryWindow, State, Store, TensorLayer};
use crate::model::backend::{Backend, HeadNorms, Place};
use crate::model::host::Host;
use crate::model::kernels::packed::Precision;
use crate::model::portable::{Portable, angles::Angles};
use crate::model::rope;
use crate::model::shape::{AttentionShape, RopePairing, Rotary, Span};
use crate::policy::Needs;
use crate::testing::random::Random;

const ALL: Needs = Needs {
    peak: true,
    keys: true,
    values: true,
    queries: true,
    projected: false,
};

/// One layer on both.
pub(super) struct Both {
    a: AttentionShape,
    norms: Option<[Vec<f32>; 2]>,
    pub(super) sinks: Option<Vec<f32>>,
    random: Random,
    pub(super) host: Host<f32>,
    pub(super) portable: Portable,
    on_host: LayerState<HostLayer<f32>>,
    on_device: LayerState<TensorLayer>,
    position: usize,
}

impl Both {
    pub(super) fn new(a: AttentionShape, normed: bool, window: usize) -> Both {
        let mut random = Random::new(7);
        let mut weight = || {
            (0..a.head_dim)
                .map(|_| 1.0 + 0.2 * random.normal())
                .collect()
        };
        let norms = normed.then(|| [weight(), weight()]);
        let host = Host::new(1, true);
        let portable = Portable::new(Device::Cpu, true, DType::F32, DType::F32);
        Both {
            on_host: LayerState {
                layer: host.empty_layer(Some(&a)).unwrap(),
                window: QueryWindow::new(window),
                state: State::default(),
            },
            on_device: LayerState {
                layer: portable.empty_layer(Some(&a)).unwrap(),
                window: QueryWindow::new(window),
                state: State::default(),
            },
            a,
            norms,
            sinks: None,
            random,
            host,
            portable,
            position: 0,
        }
    }

    fn sinks(&self) -> Option<Tensor> {
        let sinks = self.sinks.as_ref();
        sinks.map(|sinks| Tensor::new(&sinks[..], &Device::Cpu).unwrap())
    }

    fn angles(&self, rows: usize) -> Option<rope::Angles> {
        let rotary = self.a.rotary?;
        let half = rotary.dim / 2;
        let angle = |i: usize| {
            let turn = rotary
                .base
                .powf(-2.0 * (i % half) as f32 / rotary.dim as f32);
            (self.position + i / half) as f32 * turn
        };
        let all = 0..rows * half;
        Some(rope::Angles {
            cos: all.clone().map(|i| angle(i).cos()).collect(),
            sin: all.map(|i| angle(i).sin()).collect(),
            half,
        })
    }

    /// Appends `rows` random tokens and compares attention over `spans`.
    fn append(&mut self, rows: usize, spans: &[Span]) {
        let (q, kv) = self.a.widths();
        let width = q + 2 * kv;
        let qkv: Vec<f32> = (0..rows * width)
            .map(|_| 1.5 * self.random.normal())
            .collect();
        let of_host = self.angles(rows);
        let of_device = of_host
            .clone()
            .map(|angles| Angles::new(angles, rows, &Device::Cpu, DType::F32));
        let start = self.position;
        let epsilon = 1e-5;
        let norms = self.norms.as_ref();
        let weights = norms.map(|n| {
            n.each_ref()
                .map(|n| Tensor::new(&n[..], &Device::Cpu).unwrap())
        });
        let on_device = self
            .portable
            .append(
                &self.a,
                weights.as_ref().map(|[q, k]| HeadNorms {
                    q,
                    k: Some(k),
                    v: None,
                    epsilon,
                }),
                &mut self.on_device,
                Tensor::from_slice(&qkv, (rows, width), &Device::Cpu).unwrap(),
                Place {
                    start,
                    rows,
                    angles: of_device.as_ref(),
                    offset: 0,
                },
            )
            .unwrap();
        let on_host = self
            .host
            .append(
                &self.a,
                norms.map(|[q, k]| HeadNorms {
                    q,
                    k: Some(k),
                    v: None,
                    epsilon,
                }),
                &mut self.on_host,
                rows_of(qkv, rows),
                Place {
                    start,
                    rows,
                    angles: of_host.as_ref(),
                    offset: 0,
                },
            )
            .unwrap();
        self.position += rows;
        let (sinks, of_device) = (self.sinks.as_ref(), self.sinks());
        let of_device = of_device.as_ref();
        for &span in spans {
            let (a, layer) = (&self.a, &self.on_host.layer);
            let expected = self.host.attend(a, layer, &on_host, span, sinks).unwrap();
            let expected = self.host.to_host(expected).unwrap();
            let layer = &self.on_device.layer;
            let found = self
                .portable
                .attend(a, layer, &on_device, span, of_device)
                .unwrap();
            let found = self.portable.to_host(found).unwrap();
            close(&expected, &found, &format!("{span:?} of {rows} rows"));
        }
    }

    fn observe(&self) {
        let (sinks, of_device) = (self.sinks.as_ref(), self.sinks());
        let of_device = of_device.as_ref();
        let expected = self
            .host
            .observe(&self.a, &self.on_host, ALL, sinks)
            .unwrap();
        let found = self
            .portable
            .observe(&self.a, &self.on_device, ALL, of_device)
            .unwrap();
        assert_eq!(expected.len(), found.len());
        for (e, f) in expected.iter().zip(&found) {
            assert_eq!(e.positions, f.positions);
            close(&e.scores.mean, &f.scores.mean, "mean");
            close(&e.scores.peak, &f.scores.peak, "peak");
            close(&e.keys, &f.keys, "keys");
            close(&e.values, &f.values, "values");
            close(&e.queries, &f.queries, "queries");
            assert!(e.group == f.group && !e.queries.is_empty());
        }
        let last = self.portable.last_query(&self.on_device.window).unwrap();
        let (a, span) = (&self.a, Span::default());
        let found = self
            .portable
            .attend(a, &self.on_device.layer, &last, span, of_device)
            .unwrap();
        let last = self.host.last_query(&self.on_host.window).unwrap();
        let expected = self
            .host
            .attend(a, &self.on_host.layer, &last, span, sinks)
            .unwrap();
        let expected = self.host.to_host(expected).unwrap();
        close(
            &expected,
            &self.portable.to_host(found).unwrap(),
            "the last query",
        );
        assert_eq!(
            self.on_host.layer.used_bytes(),
            self.on_device.layer.used_bytes()
        );
        assert!(self.on_device.layer.allocated_bytes() >= self.on_device.layer.used_bytes());
    }

    /// Keeps of head `h` every entry but each `every(h)`th.
    fn keep(&mut self, every: impl Fn(usize) -> usize) -> (Vec<Vec<u32>>, Vec<Vec<u32>>) {
        let lens = self.on_host.layer.lens();
        let heads = lens.iter().enumerate().map(|(h, &len)| {
            // The newest stay, as they do in an eviction.
            let stays = |i: usize| !i.is_multiple_of(every(h)) || i + 3 > len;
            (0..len as u32).partition(|i| stays(*i as usize))
        });
        let (kept, gone): (Vec<_>, Vec<_>) = heads.unzip();
        self.on_host.layer = self.on_host.layer.gather(&kept).unwrap();
        self.on_device.layer = self.on_device.layer.gather(&kept).unwrap();
        (kept, gone)
    }

    fn take_back(&mut self, entries: usize) {
        self.on_host.layer.take_back(entries);
        self.on_device.layer.take_back(entries);
        self.position -= entries;
    }
}

pub(super) type HostRows = <Host<f32> as Backend>::Rows;

pub(super) fn rows_of(data: Vec<f32>, rows: usize) -> HostRows {
    HostRows::new(data, rows, Precision::Eight)
}

pub(super) fn close(expected: &[f32], found: &[f32], what: &str) {
    assert_eq!(expected.len(), found.len(), "{what}");
    let most = expected.iter().fold(1e-3f32, |most, x| most.max(x.abs()));
    for (i, (e, f)) in expected.iter().zip(found).enumerate() {
        assert!((e - f).abs() < 1e-4 * most, "{what}, {i}: {e} and {f}");
    }
}

fn rotary(dim: usize, pairing: RopePairing) -> Option<Rotary> {
    let rotary = plain().rotary?;
    Some(Rotary {
        dim,
        pairing,
        ..rotary
    })
}

/// Prefill, decode, eviction, and all of it again on ragged heads.
fn runs_like_the_host(a: AttentionShape, normed: bool) {
    runs(Both::new(a, normed, 5));
}

pub(super) fn runs(mut both: Both) {
    let whole = Span {
        behind: 0,
        window: both.a.window,
    };
    let behind = |behind, window| Span { behind, window };
    both.append(4, &[whole]);
    both.append(70, &[whole, behind(3, None)]);
    both.append(1, &[whole, behind(2, None)]);
    both.observe();
    both.keep(|h| h + 2);
    both.observe();
    for rows in [1, 1, 9, 1, 80, 1] {
        both.append(rows, &[whole, behind(1, Some(6))]);
    }
    both.observe();
    both.keep(|_| 2);
    both.append(3, &[whole]);
    both.observe();
}

#[test]
fn plain_layers() {
    runs_like_the_host(plain(), false);
    let rotary = rotary(8, RopePairing::Halves);
    runs_like_the_host(AttentionShape { rotary, ..plain() }, false);
}

#[test]
fn one_head_for_all_and_one_for_each() {
    runs_like_the_host(
        AttentionShape {
            kv_heads: 1,
            ..plain()
        },
        false,
    );
    runs_like_the_host(
        AttentionShape {
            kv_heads: 6,
            ..plain()
        },
        false,
    );
}

#[test]
fn partial_rotary_and_none() {
    for pairing in [RopePairing::Interleaved, RopePairing::Halves] {
        let rotary = rotary(4, pairing);
        runs_like_the_host(AttentionShape { rotary, ..plain() }, false);
    }
    runs_like_the_host(
        AttentionShape {
            rotary: None,
            ..plain()
        },
        false,
    );
}

#[test]
fn norms_of_queries_and_keys() {
    runs_like_the_host(plain(), true);
    runs_like_the_host(
        AttentionShape {
            rotary: None,
            ..plain()
        },
        true,
    );
}

#[test]
fn soft_caps_and_sliding_windows() {
    let soft_cap = Some(1.5);
    runs_like_the_host(
        AttentionShape {
            soft_cap,
            ..plain()
        },
        false,
    );
    for window in [1, 7, 64, 500] {
        let window = Some(window);
        runs_like_the_host(AttentionShape { window, ..plain() }, false);
    }
    let window = Some(20);
    runs_like_the_host(
        AttentionShape {
            window,
            soft_cap,
            ..plain()
        },
        true,
    );
}

#[test]
fn tokens_are_taken_back_and_entries_put_back_and_forks_part() {
    let mut both = Both::new(plain(), false, 5);
    both.append(40, &[]);
    let whole = (both.on_host.clone(), both.on_device.clone());
    let (_, gone) = both.keep(|h| h + 2);
    both.append(4, &[]);
    both.take_back(2);
    both.append(1, &[Span::default()]);
    both.take_back(20);
    both.append(2, &[Span::default()]);
    let fork = (both.on_host.clone(), both.on_device.clone());
    both.append(3, &[Span::default()]);
    // The other side appends where this one has.
    let ours = std::mem::replace(&mut both.on_host, fork.0);
    let ours = (ours, std::mem::replace(&mut both.on_device, fork.1));
    both.position -= 3;
    both.append(2, &[Span::default()]);
    both.observe();
    (both.on_host, both.on_device) = ours;
    both.observe();
    let gone = (
        whole.0.layer.gather(&gone).unwrap(),
        whole.1.layer.gather(&gone).unwrap(),
    );
    both.on_host.layer = both.on_host.layer.put_back(&gone.0).unwrap();
    both.on_device.layer = both.on_device.layer.put_back(&gone.1).unwrap();
    both.append(1, &[Span::default()]);
    both.observe();
}
