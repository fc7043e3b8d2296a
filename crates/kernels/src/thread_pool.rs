//! Thread pool that shares the pieces of a layer: workers spin during inference and sleep between frames.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::affinity::{AvoidCore, Submitter};

/// Job: a function of the thread's number and the piece's number.
type Job<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// Spins before a waiting thread yields its core. An estimate: 10 to 100 µs, depending on the CPU's pause instruction.
const MAX_SPINS: u32 = 2000;

/// State that the submitter and the workers share.
struct Shared {
    /// Current job and its number of pieces. Valid while the job is open or a worker is active.
    job: Mutex<Option<(JobPointer, usize)>>,
    /// Number of the current job; workers compare it with that of their last one.
    job_number: AtomicUsize,
    /// Whether workers may take pieces of the job.
    is_open: AtomicBool,
    /// Next piece to take.
    next_piece: AtomicUsize,
    /// Workers that run pieces of the job, or check whether it is open.
    active_workers: AtomicUsize,
    /// Set during inference: workers spin instead of sleeping.
    spinning: Mutex<bool>,
    wake: Condvar,
    /// Copy of `spinning`, to read without the lock.
    is_spinning: AtomicBool,
    submitter: Submitter,
    is_shutting_down: AtomicBool,
    /// Whether a job panicked on a worker.
    has_failed: AtomicBool,
}

#[derive(Clone, Copy)]
struct JobPointer(*const Job<'static>);

// SAFETY: the job is `Sync`, and `ActivePool::run` keeps it alive until no worker uses it.
unsafe impl Send for JobPointer {}

/// Thread pool with one submitter, which takes part in the work as thread 0.
pub struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl ThreadPool {
    /// Starts a pool of `count` threads, including the caller's, or of fewer if the system refuses to start more.
    pub fn new(count: usize) -> ThreadPool {
        let shared = Arc::new(Shared {
            job: Mutex::new(None),
            job_number: AtomicUsize::new(0),
            is_open: AtomicBool::new(false),
            next_piece: AtomicUsize::new(0),
            active_workers: AtomicUsize::new(0),
            spinning: Mutex::new(false),
            wake: Condvar::new(),
            is_spinning: AtomicBool::new(false),
            submitter: Submitter::default(),
            is_shutting_down: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
        });
        let workers = (1..count).map_while(|thread| {
            let shared = shared.clone();
            let work = move || shared.work(thread, AvoidCore::new(count));
            std::thread::Builder::new().name(format!("kernels {thread}")).spawn(work).ok()
        });
        let workers = workers.collect();
        ThreadPool { shared, workers }
    }

    /// Returns the number of threads, including the submitter.
    pub fn count(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `submit` while the workers spin for its jobs.
    pub fn with_spinning_workers<R>(&mut self, submit: impl FnOnce(&mut ActivePool) -> R) -> R {
        if !self.workers.is_empty() {
            self.shared.submitter.record_cpu();
            self.shared.set_spinning(true);
        }
        let _sleep_guard = SleepGuard(&self.shared);
        submit(&mut ActivePool { threads: self })
    }
}

/// Sends the workers to sleep when dropped, also if a job panics.
struct SleepGuard<'a>(&'a Shared);

impl Drop for SleepGuard<'_> {
    fn drop(&mut self) {
        self.0.set_spinning(false);
    }
}

/// Pool whose workers spin for jobs.
pub struct ActivePool<'a> {
    threads: &'a ThreadPool,
}

impl ActivePool<'_> {
    /// Returns the number of threads, including the submitter.
    pub fn count(&self) -> usize {
        self.threads.count()
    }

    /// Calls `job` once for each of `pieces` pieces, with the number of the thread and of the piece, and waits for all.
    ///
    /// Panics if a call panics.
    pub fn run(&mut self, pieces: usize, job: impl Fn(usize, usize) + Sync) {
        let workers = self.threads.workers.len();
        if workers == 0 || pieces < 2 {
            (0..pieces).for_each(|piece| job(0, piece));
            return;
        }
        let shared = &*self.threads.shared;
        let job: &Job<'_> = &job;
        // SAFETY: only the lifetime changes. `JobGuard` below waits until no worker uses the job.
        let pointer = JobPointer(unsafe { std::mem::transmute::<*const Job<'_>, *const Job<'static>>(job) });
        *lock(&shared.job) = Some((pointer, pieces));
        shared.next_piece.store(0, Ordering::Relaxed);
        shared.job_number.fetch_add(1, Ordering::Relaxed);
        shared.is_open.store(true, Ordering::SeqCst);
        let guard = JobGuard(shared);
        shared.take_pieces(0, job, pieces);
        drop(guard);
        assert!(!shared.has_failed.load(Ordering::Relaxed), "a job panicked on a worker thread");
    }
}

/// Closes the job when dropped and waits for active workers, also if the submitter's own part panics.
///
/// A worker that the system has not woken yet is not waited for.
struct JobGuard<'a>(&'a Shared);

impl Drop for JobGuard<'_> {
    fn drop(&mut self) {
        // Sequentially consistent: a worker either sees the job closed, or its increment is seen here.
        self.0.is_open.store(false, Ordering::SeqCst);
        let mut spins = 0;
        while self.0.active_workers.load(Ordering::SeqCst) > 0 {
            spin_or_yield(&mut spins);
        }
    }
}

fn spin_or_yield(spins: &mut u32) {
    *spins += 1;
    if *spins < MAX_SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
}

/// Locks `mutex` even if it is poisoned: each critical section is one assignment, which leaves the value whole.
// Not parking_lot: its `notify_all` wakes the workers one after another, as each releases the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn set_spinning(&self, spinning: bool) {
        self.is_spinning.store(spinning, Ordering::Relaxed);
        *lock(&self.spinning) = spinning;
        if spinning {
            self.wake.notify_all();
        }
    }

    fn take_pieces(&self, thread: usize, job: &Job<'_>, pieces: usize) {
        loop {
            let piece = self.next_piece.fetch_add(1, Ordering::Relaxed);
            if piece >= pieces {
                return;
            }
            job(thread, piece);
        }
    }

    fn work(&self, thread: usize, mut affinity: AvoidCore) {
        let (mut last_job, mut spins) = (0, 0);
        while !self.is_shutting_down.load(Ordering::Relaxed) {
            if self.is_open.load(Ordering::Relaxed) && self.job_number.load(Ordering::Relaxed) != last_job {
                self.active_workers.fetch_add(1, Ordering::SeqCst);
                if self.is_open.load(Ordering::SeqCst) {
                    last_job = self.job_number.load(Ordering::Relaxed);
                    let job = *lock(&self.job);
                    if let Some((JobPointer(job), pieces)) = job {
                        // SAFETY: `JobGuard` waits for this worker before the job is dropped.
                        let job = unsafe { &*job };
                        let part = std::panic::AssertUnwindSafe(|| self.take_pieces(thread, job, pieces));
                        if std::panic::catch_unwind(part).is_err() {
                            self.has_failed.store(true, Ordering::Relaxed);
                        }
                    }
                }
                self.active_workers.fetch_sub(1, Ordering::SeqCst);
                spins = 0;
            } else if self.is_spinning.load(Ordering::Relaxed) {
                spin_or_yield(&mut spins);
            } else {
                affinity.move_off(&self.submitter); // before sleep, so that the wake-up is on another core
                let may_sleep = |spinning: &mut bool| !*spinning && !self.is_shutting_down.load(Ordering::Relaxed);
                drop(self.wake.wait_while(lock(&self.spinning), may_sleep));
                spins = 0;
            }
        }
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.is_shutting_down.store(true, Ordering::Relaxed);
        self.shared.set_spinning(true);
        for worker in self.workers.drain(..) {
            let _ = worker.join(); // its panics were caught
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::ThreadPool;

    #[test]
    fn pool_runs_each_piece_once_for_any_thread_count() {
        for count in 1..5 {
            let mut threads = ThreadPool::new(count);
            for pieces in [0, 1, 2, 7, 100] {
                let runs: Vec<AtomicUsize> = (0..pieces).map(|_| AtomicUsize::new(0)).collect();
                threads.with_spinning_workers(|pool| {
                    assert_eq!(pool.count(), count);
                    for _ in 0..3 {
                        pool.run(pieces, |thread, piece| {
                            assert!(thread < count);
                            runs[piece].fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
                for (piece, runs) in runs.into_iter().enumerate() {
                    assert_eq!(runs.into_inner(), 3, "{count} threads, piece {piece} of {pieces}");
                }
            }
        }
    }

    #[test]
    fn panic_in_any_piece_reaches_caller_without_deadlock() {
        for broken in 0..8 {
            let mut threads = ThreadPool::new(3);
            let job = |_, piece| assert_ne!(piece, broken, "on purpose");
            let run = AssertUnwindSafe(|| threads.with_spinning_workers(|pool| pool.run(8, job)));
            assert!(catch_unwind(run).is_err(), "piece {broken}");
            drop(threads);
            let mut threads = ThreadPool::new(3);
            let runs = AtomicUsize::new(0);
            threads.with_spinning_workers(|pool| pool.run(8, |_, _| _ = runs.fetch_add(1, Ordering::Relaxed)));
            assert_eq!(runs.into_inner(), 8);
        }
    }
}
