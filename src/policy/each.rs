//! What is done for every head of a layer, none of which knows of the others.

use std::thread;

/// Entries of all heads from which on threads of their own are worth their start: some milliseconds' work.
const MUCH: usize = 1 << 15;

/// `f` of every head, in order. `entries` are those of all heads together: where there are many, heads are shared out
/// to threads, as many as the system has to spare.
pub fn each<H: Sync, T: Send>(heads: &[H], entries: usize, f: impl Fn(&H) -> T + Sync) -> Vec<T> {
    let threads = match entries < MUCH {
        true => 1,
        false => thread::available_parallelism().map_or(1, |n| n.get()),
    };
    let share = heads.len().div_ceil(threads).max(1);
    let mut shares = heads.chunks(share);
    let Some(own) = shares.next() else {
        return Vec::new();
    };
    let all = |heads: &[H]| -> Vec<T> { heads.iter().map(&f).collect() };
    thread::scope(|scope| {
        let all = &all;
        // A system that has no more threads is no reason to stop.
        let begun = shares.map(|heads| {
            let thread = thread::Builder::new().spawn_scoped(scope, move || all(heads));
            (heads, thread.ok())
        });
        let begun: Vec<_> = begun.collect();
        let mut found = all(own);
        for (heads, thread) in begun {
            match thread.map(|thread| thread.join()) {
                Some(Ok(more)) => found.extend(more),
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                None => found.extend(all(heads)),
            }
        }
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_head_is_done_once_and_in_order_whatever_the_threads_are() {
        for count in [0, 1, 2, 3, 7, 64] {
            let heads: Vec<usize> = (0..count).collect();
            for entries in [0, MUCH] {
                let found = each(&heads, entries, |head| head * 3);
                assert_eq!(found, heads.iter().map(|h| h * 3).collect::<Vec<_>>());
            }
        }
    }
}
