//! The pool of the kernels under loom: every order in which its threads can act, as far as it matters,
//! within a bound on preemptions.
//!
//! `RUSTFLAGS="--cfg loom" cargo run --release`; `LOOM_MAX_PREEMPTIONS` says how far.

#[path = "../../../src/model/kernels/pool.rs"]
#[allow(dead_code)]
mod pool;
#[path = "../../../src/model/kernels/threads.rs"]
#[allow(unused_imports)]
mod threads;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use pool::Pool;

/// Numbers that one thread at a time may touch; loom fails where two do, or where one does not see
/// what another wrote before.
struct Items(Vec<UnsafeCell<usize>>);

// SAFETY: loom looks that nobody uses one at the same time as another.
unsafe impl Sync for Items {}
// SAFETY: as above.
unsafe impl Send for Items {}

impl Items {
    fn new(count: usize) -> Items {
        Items((0..count).map(|_| UnsafeCell::new(0)).collect())
    }

    fn add(&self, item: usize) {
        // SAFETY: loom looks.
        self.0[item].with_mut(|value| unsafe { *value += 1 });
    }

    fn are(&self, times: usize) -> bool {
        // SAFETY: loom looks.
        self.0
            .iter()
            .all(|item| item.with(|value| unsafe { *value } == times))
    }
}

fn check(what: &str, preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    static ORDERS: AtomicUsize = AtomicUsize::new(0);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.max_branches = 100_000;
    let (begun, before) = (Instant::now(), ORDERS.load(Relaxed));
    builder.check(move || {
        ORDERS.fetch_add(1, Relaxed);
        model();
    });
    println!(
        "{what}: {} orders with at most {} preemptions, {:.1?}",
        ORDERS.load(Relaxed) - before,
        builder.preemption_bound.unwrap_or_default(),
        begun.elapsed()
    );
}

fn main() {
    check("two jobs, a worker", 4, || {
        let pool = Pool::new(2);
        let items = Items::new(2);
        for job in 1..=2 {
            pool.run(2, |item| items.add(item));
            assert!(items.are(job));
        }
    });
    check("a job, two workers", 3, || {
        let pool = Pool::new(3);
        let items = Items::new(3);
        pool.run(3, |item| items.add(item));
        assert!(items.are(1));
    });
    check("two callers, a worker", 3, || {
        let pool = Arc::new(Pool::new(2));
        let other = {
            let pool = pool.clone();
            loom::thread::spawn(move || {
                let items = Items::new(2);
                pool.run(2, |item| items.add(item));
                assert!(items.are(1));
            })
        };
        let items = Items::new(2);
        pool.run(2, |item| items.add(item));
        assert!(items.are(1));
        other.join().unwrap();
    });
    check("a job inside a job", 3, || {
        let pool = Pool::new(2);
        let items = Items::new(4);
        pool.run(2, |outer| pool.run(2, |inner| items.add(2 * outer + inner)));
        assert!(items.are(1));
    });
}
