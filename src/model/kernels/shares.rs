//! Items that read memory in order, handed out in order.

use super::pool::Pool;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A counter with cache lines of its own.
#[repr(align(128))]
struct Next(AtomicUsize);

/// [`Pool::run`] for items of which each continues where the one before it ends: a thread takes one after
/// the other from a share of its own, so that what was asked of the memory ahead of use is its own next
/// item, and then what is left of the others' shares.
pub fn in_shares<F: Fn(usize) + Sync>(pool: &Pool, items: usize, f: F) {
    let shares = pool.threads().min(items);
    if shares <= 1 {
        return (0..items).for_each(f);
    }
    let first = |share: usize| share * items / shares;
    let next: Vec<Next> = (0..shares)
        .map(|share| Next(AtomicUsize::new(first(share))))
        .collect();
    pool.run(shares, |own| {
        for share in (own..shares).chain(0..own) {
            let end = first(share + 1);
            loop {
                let item = next[share].0.fetch_add(1, Relaxed);
                if item >= end {
                    break;
                }
                f(item);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::thread;

    #[test]
    fn every_item_is_done_exactly_once() {
        for threads in [1, 2, 3, 4] {
            let pool = Pool::new(threads);
            for items in [0, 1, 2, 3, 5, 64, 1000] {
                let counts: Vec<_> = (0..items).map(|_| AtomicUsize::new(0)).collect();
                in_shares(&pool, items, |i| {
                    counts[i].fetch_add(1, Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Relaxed) == 1));
            }
        }
    }

    #[test]
    fn a_thread_takes_its_own_items_in_order_and_then_those_of_a_thread_that_is_held_up() {
        let pool = Pool::new(2);
        let done = Mutex::new(Vec::new());
        let held = AtomicUsize::new(usize::MAX);
        in_shares(&pool, 100, |i| {
            // Whoever comes to an item first is held up in it until all others are done.
            let first = held
                .compare_exchange(usize::MAX, i, Relaxed, Relaxed)
                .is_ok();
            while first && done.lock().unwrap().len() < 99 {
                thread::yield_now();
            }
            done.lock().unwrap().push(i);
        });
        let done = done.into_inner().unwrap();
        let held = held.into_inner();
        assert!(held == 0 || held == 50, "{held}");
        let order: Vec<_> = (0..100).map(|i| (i + 50 - held) % 100).collect();
        let others = order.iter().filter(|&&i| i != held);
        let expected: Vec<_> = others.chain([&held]).copied().collect();
        assert_eq!(done, expected);
    }
}
