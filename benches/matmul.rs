//! Packed products at the shapes of the default model (hidden 576, feed-forward 1536, vocabulary
//! 49,152) and, for K-quants, of Qwen2.5-1.5B (1,536 and 8,960), every kernel of this CPU in one process on one thread: compare the lines of each group.

use cachat::model::kernels::{
    packed::{Kernel, PackedMatrix, Precision},
    pool::Pool,
};
use candle_core::quantized::GgmlDType;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Rows, columns, activation rows.
const SHAPES: [(usize, usize, usize); 5] = [
    (3072, 576, 256),
    (576, 1536, 256),
    (3072, 576, 1),
    (576, 1536, 1),
    (49_152, 576, 1),
];
const LARGER: [(usize, usize, usize); 3] = [(8960, 1536, 256), (8960, 1536, 1), (1536, 8960, 1)];

/// Any bytes are good quants; the scales are set to ±1/16.
fn weights(dtype: GgmlDType, rows: usize, cols: usize) -> PackedMatrix {
    let block = dtype.type_size();
    let mut data: Vec<u8> = (0..rows * cols / dtype.block_size() * block)
        .map(|i| (i * 7919 % 251) as u8)
        .collect();
    for block in data.chunks_exact_mut(block) {
        let at = if dtype == GgmlDType::Q6K { 208 } else { 0 };
        block[at..at + 2].copy_from_slice(&[0x00, 0x2c]);
        if dtype == GgmlDType::Q4_1 {
            block[2..4].copy_from_slice(&[0x00, 0xac]);
        }
    }
    PackedMatrix::from_ggml(dtype, rows, cols, &data).expect("columns are a multiple of 32")
}

fn matmul(c: &mut Criterion) {
    let pool = Pool::new(1);
    use GgmlDType::{Q4_1, Q4K, Q5_0, Q6K, Q8_0};
    for dtype in [Q4_1, Q5_0, Q8_0, Q4K, Q6K] {
        let k = dtype.block_size() == 256;
        for &(rows, cols, m) in if k { &LARGER[..] } else { &SHAPES[..] } {
            let matrix = weights(dtype, rows, cols);
            let x: Vec<f32> = (0..m * cols)
                .map(|i| (i * 31 % 97) as f32 / 48.0 - 1.0)
                .collect();
            let mut out = vec![0.0; m * rows];
            let mut group = c.benchmark_group(format!("{dtype:?} {rows}x{cols}, m = {m}"));
            group
                .sample_size(10)
                .throughput(Throughput::Elements((m * rows * cols) as u64));
            for kernel in Kernel::available() {
                group.bench_function(kernel.name, |b| {
                    b.iter(|| matrix.matmul_with(*kernel, &pool, &x, &mut out));
                });
            }
            if Precision::many_is_bf16() {
                group.bench_function("amx-bf16", |b| {
                    b.iter(|| matrix.matmul_in(Precision::Many, &pool, &x, &mut out));
                });
            }
            group.finish();
        }
    }
}

/// What starting a job costs: nearly empty items, one job after another as in a decode step.
fn pool(c: &mut Criterion) {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let pool = Pool::new(threads);
    c.bench_function("empty job", |b| {
        b.iter(|| pool.run(threads, |i| _ = std::hint::black_box(i)))
    });
}

criterion_group!(benches, matmul, pool);
criterion_main!(benches);
