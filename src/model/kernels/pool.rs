//! Worker threads for the kernels.
//!
//! A decode step calls [`Pool::run`] some 150 times per token, each a few tens of microseconds long,
//! so waking up must cost next to nothing; and the machine may be busy with something else, so
//! nobody may spin for long or wait for a thread that the scheduler has not started. Hence:
//!
//! * the caller takes items itself, from the same counter as the workers. If no worker shows up in
//!   time the caller does everything, and it never waits for a worker that has not begun;
//! * workers spin for a few tens of microseconds after a job and then park; the caller does the
//!   same while the last items are finished elsewhere.

#![allow(unsafe_code, reason = "lends a closure to older threads")]

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{PoisonError, atomic::Ordering::*},
    time::{Duration, Instant},
};

use super::threads::{
    Arc, AtomicBool, AtomicU64, AtomicUsize, JoinHandle, Mutex, MutexGuard, Slot, Thread, thread,
};

/// How long an idle worker looks for the next job before it parks. Between two matrices of a decode
/// step there are a few microseconds of serial work.
const WORKER_SPIN: Duration = Duration::from_micros(40);
/// How long the caller looks for the end of the last items before it parks.
const CALLER_SPIN: Duration = Duration::from_micros(40);

// The state word: how many workers are inside the job, whether more may enter, whether the caller
// sleeps until they have left, and the job's number (so that a worker enters each job once).
const INSIDE: u64 = 0xffff;
const OPEN: u64 = 1 << 16;
const CALLER_SLEEPS: u64 = 1 << 17;
const SHUTDOWN: u64 = 1 << 18;
const JOB: u64 = 1 << 32;

/// A job: the caller's closure with its type erased, valid while the job is open or has workers inside.
#[derive(Clone, Copy)]
struct Job {
    closure: *const (),
    call: unsafe fn(*const (), usize),
    items: usize,
}

unsafe fn call_closure<F: Fn(usize) + Sync>(closure: *const (), item: usize) {
    // SAFETY: `Pool::run` stored a pointer to an `F` that outlives the job.
    unsafe { (*closure.cast::<F>())(item) }
}

unsafe fn call_nothing(_: *const (), _: usize) {}

/// Its own cache lines: the counter and the state word are written by everyone.
#[repr(align(128))]
struct Apart<T>(T);

struct Shared {
    state: Apart<AtomicU64>,
    next: Apart<AtomicUsize>,
    job: Slot<Job>,
    parked: Vec<Apart<AtomicBool>>,
    caller: Mutex<Option<Thread>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `job` is written only by the one caller that holds `Pool::busy`, while the state word is
// closed and nobody is inside; workers read it after entering (an acquiring exchange on the state
// word that the caller released by opening it). Its pointer is to a `Sync` closure.
unsafe impl Sync for Shared {}
// SAFETY: as above; nothing in it belongs to a thread.
unsafe impl Send for Shared {}

impl Shared {
    /// Takes items until there are none; a panic ends the job early and is kept for the caller.
    fn work(&self, job: Job) {
        let result = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let item = self.next.0.fetch_add(1, Relaxed);
                if item >= job.items {
                    break;
                }
                // SAFETY: this thread is inside the job, so the closure is alive.
                unsafe { (job.call)(job.closure, item) }
            }
        }));
        if let Err(payload) = result {
            self.next.0.store(job.items, Relaxed);
            lock(&self.panic).get_or_insert(payload);
        }
    }

    fn worker(&self, index: usize) {
        let mut done = 0;
        loop {
            let state = self.wait_for_job(index, done);
            if state & SHUTDOWN != 0 {
                return;
            }
            if self
                .state
                .0
                .compare_exchange(state, state + 1, Acquire, Relaxed)
                .is_err()
            {
                continue; // someone else entered or the caller closed it: look again
            }
            done = state / JOB;
            // SAFETY: inside the job, see `Sync for Shared`.
            self.work(unsafe { self.job.read() });
            let before = self.state.0.fetch_sub(1, AcqRel);
            if before & (INSIDE | CALLER_SLEEPS) == 1 | CALLER_SLEEPS
                && let Some(caller) = lock(&self.caller).take()
            {
                caller.unpark();
            }
        }
    }

    /// Returns a state word with an open job that this worker has not done, or with `SHUTDOWN`.
    fn wait_for_job(&self, index: usize, done: u64) -> u64 {
        let wanted = |state: u64| state & SHUTDOWN != 0 || state & OPEN != 0 && state / JOB != done;
        let mut state = 0;
        if spin(WORKER_SPIN, || {
            state = self.state.0.load(Relaxed);
            wanted(state)
        }) {
            return state;
        }
        let parked = &self.parked[index].0;
        loop {
            // Announce first, look again after: the caller opens first and looks for the parked after,
            // so that one of the two sees the other.
            parked.store(true, SeqCst);
            state = self.state.0.load(SeqCst);
            if wanted(state) {
                parked.store(false, Relaxed);
                return state;
            }
            thread::park();
        }
    }
}

/// Looks for `done` for about `limit`; false if it did not come.
fn spin(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    if cfg!(loom) {
        return done();
    }
    let mut start = None;
    loop {
        for _ in 0..32 {
            if done() {
                return true;
            }
            std::hint::spin_loop();
        }
        if start.get_or_insert_with(Instant::now).elapsed() > limit {
            return false;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Worker threads; `run` is the only way in.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    busy: AtomicBool,
}

impl Pool {
    /// `threads` counts the calling thread, at least 1. Threads that the system refuses to start
    /// are done without.
    pub fn new(threads: usize) -> Self {
        let extra = threads.clamp(1, INSIDE as usize) - 1;
        let shared = Arc::new(Shared {
            state: Apart(AtomicU64::new(0)),
            next: Apart(AtomicUsize::new(0)),
            job: Slot::new(Job {
                closure: std::ptr::null(),
                call: call_nothing,
                items: 0,
            }),
            parked: (0..extra).map(|_| Apart(AtomicBool::new(false))).collect(),
            caller: Mutex::new(None),
            panic: Mutex::new(None),
        });
        let workers = (0..extra)
            .map_while(|index| {
                let shared = shared.clone();
                thread::Builder::new()
                    .name(format!("kernel-{}", index + 1))
                    .spawn(move || shared.worker(index))
                    .ok()
            })
            .collect();
        Pool {
            shared,
            workers,
            busy: AtomicBool::new(false),
        }
    }

    /// How many threads work on a job, the calling one included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `f(i)` once for every `i < items`, on any thread, and returns when all are done.
    ///
    /// A call from inside `f`, or while another thread is in `run`, is done by its own thread alone.
    /// If `f` panics, the items not yet begun are dropped and the panic goes on in the caller.
    pub fn run<F: Fn(usize) + Sync>(&self, items: usize, f: F) {
        if items <= 1 || self.workers.is_empty() || self.busy.swap(true, Acquire) {
            return (0..items).for_each(f);
        }
        let shared = &*self.shared;
        let job = Job {
            closure: (&raw const f).cast(),
            call: call_closure::<F>,
            items,
        };
        // SAFETY: `busy` makes this thread the only caller, the job is closed and nobody is inside.
        unsafe { shared.job.write(job) };
        shared.next.0.store(0, Relaxed);
        // Closed with nobody inside: only the job's number is left of the old state.
        let number = (shared.state.0.load(Relaxed) / JOB).wrapping_add(1);
        shared
            .state
            .0
            .store(number.wrapping_mul(JOB) | OPEN, SeqCst);
        for (parked, worker) in shared.parked.iter().zip(&self.workers).take(items - 1) {
            if parked.0.load(SeqCst) && parked.0.swap(false, Relaxed) {
                worker.thread().unpark();
            }
        }

        shared.work(job);
        self.close();
        let panic = lock(&shared.panic).take();
        self.busy.store(false, Release);
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }

    /// Lets no more workers in and waits until those inside have left.
    fn close(&self) {
        let state = &self.shared.state.0;
        if state.fetch_and(!OPEN, AcqRel) & INSIDE == 0
            || spin(CALLER_SPIN, || state.load(Acquire) & INSIDE == 0)
        {
            return;
        }
        *lock(&self.shared.caller) = Some(thread::current());
        if state.fetch_or(CALLER_SLEEPS, AcqRel) & INSIDE != 0 {
            while state.load(Acquire) & INSIDE != 0 {
                thread::park();
            }
        }
        state.fetch_and(!CALLER_SLEEPS, Relaxed);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.state.0.fetch_or(SHUTDOWN, SeqCst);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // Workers catch the panics of jobs, so there is nothing to hear here.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    const JOBS: usize = if cfg!(miri) { 50 } else { 20_000 };

    #[test]
    fn every_item_is_done_exactly_once() {
        let pool = Pool::new(4);
        for items in [0, 1, 2, 3, 4, 5, 1000] {
            let counts: Vec<_> = (0..items).map(|_| AtomicU32::new(0)).collect();
            pool.run(items, |i| {
                counts[i].fetch_add(1, Relaxed);
            });
            assert!(counts.iter().all(|count| count.load(Relaxed) == 1));
        }
    }

    #[test]
    fn many_short_jobs_follow_each_other_with_and_without_pauses() {
        let pool = Pool::new(3);
        let total = AtomicUsize::new(0);
        for job in 0..JOBS {
            pool.run(5, |i| {
                total.fetch_add(i + 1, Relaxed);
            });
            assert_eq!(total.load(Relaxed), 15 * (job + 1));
            if job % 1000 == 0 {
                thread::sleep(2 * WORKER_SPIN); // let the workers park
            }
        }
    }

    #[test]
    fn the_caller_does_not_need_the_workers() {
        // The worker is stuck in an item of its own until the caller has done all the others.
        let pool = Pool::new(2);
        let caller = thread::current().id();
        let done = AtomicUsize::new(0);
        pool.run(100, |_| {
            if thread::current().id() != caller {
                while done.load(Acquire) < 99 {
                    thread::yield_now();
                }
            }
            done.fetch_add(1, Release);
        });
        assert_eq!(done.load(Relaxed), 100);
    }

    #[test]
    fn workers_take_part() {
        let pool = Pool::new(2);
        let others = AtomicUsize::new(0);
        let caller = thread::current().id();
        pool.run(2, |_| {
            if thread::current().id() == caller {
                while others.load(Acquire) == 0 {
                    thread::sleep(Duration::from_micros(100));
                }
            } else {
                others.fetch_add(1, Release);
            }
        });
        // One, or both of them before the caller came to take any.
        assert!((1..=2).contains(&others.load(Relaxed)));
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(3);
        for at in [0, 7, 99] {
            let result = catch_unwind(AssertUnwindSafe(|| {
                pool.run(100, |i| {
                    if i == at {
                        resume_unwind(Box::new(i)); // without the hook's message
                    }
                });
            }));
            assert_eq!(result.unwrap_err().downcast_ref(), Some(&at));
            let count = AtomicUsize::new(0);
            pool.run(10, |_| {
                count.fetch_add(1, Relaxed);
            });
            assert_eq!(count.load(Relaxed), 10);
        }
    }

    #[test]
    fn a_job_inside_a_job_is_done_by_its_own_thread() {
        let pool = Pool::new(3);
        let count = AtomicUsize::new(0);
        pool.run(8, |_| {
            let outer = thread::current().id();
            pool.run(8, |_| {
                assert_eq!(thread::current().id(), outer);
                count.fetch_add(1, Relaxed);
            });
        });
        assert_eq!(count.load(Relaxed), 64);
    }

    #[test]
    fn two_callers_at_once_both_finish() {
        let pool = Pool::new(3);
        let count = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..JOBS / 10 {
                        pool.run(7, |_| {
                            count.fetch_add(1, Relaxed);
                        });
                    }
                });
            }
        });
        assert_eq!(count.load(Relaxed), 2 * (JOBS / 10) * 7);
    }
}
