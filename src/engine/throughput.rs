//! How fast this machine is: it reads its memory, which bounds the speed of answers, since every token
//! goes through all weights; and it multiplies, which bounds how fast prompts are read.

use std::sync::OnceLock;
use std::time::Instant;

use crate::model::gguf::TensorType;
use crate::model::kernels::packed::{PackedMatrix, Precision};
use crate::model::kernels::pool::Pool;

/// Bytes that are read: more than caches hold, and few enough to take some ten milliseconds.
const SIZE: usize = 96 << 20;
/// What the kernels reach of a plain sum's rate.
const SHARE: f64 = 0.6;
/// Rounds of a careful measurement: other programs slow some of them down.
const ROUNDS: usize = 8;
/// Rows, columns and prompt rows of a product that stays in the caches.
const CACHED: (usize, usize, usize) = (512, 1024, 256);

/// What this machine can do at most, with so many threads.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Limits {
    /// Bytes of memory that are read in a second.
    pub read_bytes_per_second: f64,
    /// Multiply–accumulates in a second of the kernel that prompts are read by, 8-bit weights, with everything in
    /// the caches.
    pub macs_per_second: f64,
}

impl Limits {
    /// Measures for half a second; `None` without memory for it.
    pub fn measure(threads: usize) -> Option<Limits> {
        let data = ones()?;
        let rates = (0..ROUNDS).filter_map(|_| reading(&data, threads));
        let (rows, cols, prompt) = CACHED;
        let quants = vec![0; TensorType::Q8_0.bytes(rows * cols)?];
        let matrix = PackedMatrix::from_ggml(TensorType::Q8_0, rows, cols, &quants).ok()?;
        let pool = Pool::new(threads);
        let (x, mut out) = (vec![0.5; prompt * cols], vec![0.0; prompt * rows]);
        let mut best = f64::INFINITY;
        for _ in 0..8 * ROUNDS {
            let begun = Instant::now();
            matrix.matmul_in(Precision::Many, &pool, &x, &mut out);
            best = best.min(begun.elapsed().as_secs_f64());
        }
        let read_bytes_per_second = rates.fold(0.0, f64::max);
        drop(data);
        crate::heap::give_back();
        Some(Limits {
            read_bytes_per_second,
            macs_per_second: (rows * cols * prompt) as f64 / best,
        })
    }
}

/// Bytes of weights that go through in a second, about. Measured once.
pub fn bytes_per_second() -> Option<f64> {
    static MEASURED: OnceLock<Option<f64>> = OnceLock::new();
    let measure = || reading(&ones()?, crate::model::load::default_threads());
    MEASURED.get_or_init(measure).map(|rate| SHARE * rate)
}

fn ones() -> Option<Vec<u64>> {
    let mut data: Vec<u64> = Vec::new();
    data.try_reserve_exact(SIZE / 8).ok()?;
    data.resize(SIZE / 8, 1);
    Some(data)
}

/// Bytes of `data` that are read in a second.
fn reading(data: &[u64], threads: usize) -> Option<f64> {
    let part = data.len().div_ceil(threads);
    let begun = Instant::now();
    let sum: u64 = std::thread::scope(|scope| {
        let sums = data.chunks(part).map(|part| {
            let sum = move || part.iter().fold(0u64, |sum, x| sum.wrapping_add(*x));
            std::thread::Builder::new().spawn_scoped(scope, sum).ok()
        });
        let sums: Vec<_> = sums.collect();
        let joined = sums
            .into_iter()
            .flatten()
            .map(|sum| sum.join().unwrap_or(0));
        joined.sum()
    });
    let seconds = begun.elapsed().as_secs_f64();
    (sum == data.len() as u64 && seconds > 0.0).then(|| SIZE as f64 / seconds)
}
