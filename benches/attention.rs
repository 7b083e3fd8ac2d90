//! Attention at the shape of the default model (9 query heads, 3 KV heads × 64, f16), plain and
//! fast in one process: compare the two lines of each group.

use cachat::cache::{Head, HostLayer};
use cachat::model::kernels::attention::{Queries, attend, plain, window_scores};
use cachat::model::kernels::pool::Pool;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use half::f16;

const DIM: usize = 64;
const HEADS: usize = 9;
const KV_HEADS: usize = 3;
const SCALE: f32 = 0.125;

fn noise(n: usize) -> Vec<f32> {
    let mut state = 1u64;
    (0..n)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

fn layer(len: usize) -> HostLayer<f16> {
    let entries = noise(len * DIM);
    let mut head = Head::new(DIM);
    for (e, x) in entries.chunks(DIM).enumerate() {
        head.append(e as u32, x, x);
    }
    HostLayer {
        heads: vec![head; KV_HEADS],
    }
}

fn pool() -> Pool {
    Pool::new(std::thread::available_parallelism().map_or(2, usize::from))
}

/// One step over many layers' caches, so that the entries come from memory as they do in use.
fn decode(c: &mut Criterion) {
    let pool = pool();
    for len in [128, 1_024, 8_000] {
        let layers = vec![layer(len); 30];
        let q = noise(HEADS * DIM);
        let mut out = vec![0.0; q.len()];
        let mut group = c.benchmark_group(format!("decode/{len}"));
        let bytes = layers.iter().flat_map(|l| &l.heads).map(Head::used_bytes);
        group.throughput(Throughput::Bytes(bytes.sum::<usize>() as u64));
        group.sample_size(20);
        group.bench_function("fast", |b| {
            b.iter(|| {
                for layer in &layers {
                    attend(&pool, layer, &Queries::last(&q, 1, HEADS, SCALE), &mut out);
                }
            })
        });
        group.sample_size(10);
        group.bench_function("plain", |b| {
            b.iter(|| {
                for layer in &layers {
                    plain::attend(layer, &Queries::last(&q, 1, HEADS, SCALE), &mut out);
                }
            })
        });
    }
}

/// Blocks of 512 queries at the end of a prompt; throughput counts query–key pairs over all heads.
fn prefill(c: &mut Criterion) {
    let pool = pool();
    let rows = 512;
    for len in [512, 2_048, 8_000] {
        let layer = layer(len);
        let q = noise(rows * HEADS * DIM);
        let mut out = vec![0.0; q.len()];
        let mut group = c.benchmark_group(format!("prefill/{len}"));
        group.throughput(Throughput::Elements((rows * (len - rows / 2)) as u64));
        group.sample_size(10);
        group.bench_function("fast", |b| {
            b.iter(|| {
                attend(
                    &pool,
                    &layer,
                    &Queries::last(&q, rows, HEADS, SCALE),
                    &mut out,
                )
            })
        });
        if len == 512 {
            group.bench_function("plain", |b| {
                b.iter(|| plain::attend(&layer, &Queries::last(&q, rows, HEADS, SCALE), &mut out))
            });
        }
    }
}

fn window(c: &mut Criterion) {
    let pool = pool();
    for len in [1_024, 8_000] {
        let layer = layer(len);
        let q = noise(32 * HEADS * DIM);
        let mut group = c.benchmark_group(format!("window scores/{len}"));
        group.throughput(Throughput::Elements((32 * len) as u64));
        group.sample_size(10);
        group.bench_function("fast", |b| {
            b.iter(|| window_scores(&pool, &layer, &Queries::last(&q, 32, HEADS, SCALE)))
        });
        group.bench_function("plain", |b| {
            b.iter(|| plain::window_scores(&layer, &Queries::last(&q, 32, HEADS, SCALE)))
        });
    }
}

criterion_group!(benches, decode, prefill, window);
criterion_main!(benches);
