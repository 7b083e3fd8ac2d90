//! How fast this machine reads its memory: what bounds the speed of answers, since every token goes
//! through all weights.

use std::sync::OnceLock;
use std::time::Instant;

/// Bytes that are read: more than caches hold, and few enough to take some ten milliseconds.
const SIZE: usize = 96 << 20;
/// What the kernels reach of a plain sum's rate.
const SHARE: f64 = 0.6;

/// Bytes of weights that go through in a second, about. Measured once.
pub fn bytes_per_second() -> Option<f64> {
    static MEASURED: OnceLock<Option<f64>> = OnceLock::new();
    *MEASURED.get_or_init(measure)
}

fn measure() -> Option<f64> {
    let mut data: Vec<u64> = Vec::new();
    data.try_reserve_exact(SIZE / 8).ok()?;
    data.resize(SIZE / 8, 1);
    let threads = crate::model::load::default_threads();
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
    (sum == data.len() as u64 && seconds > 0.0).then(|| SHARE * SIZE as f64 / seconds)
}
