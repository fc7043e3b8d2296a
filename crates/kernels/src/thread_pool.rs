//! Threads that share the pieces of a job, wait busily while a picture is worked on, and sleep between pictures.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::affinity::{Apart, Giver};

/// A job: it is given the thread's number and the piece's.
type Job<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// How often a thread looks for work before it lets others have the CPU.
const LOOKS: u32 = 2000;

/// What the threads share.
struct Shared {
    /// The job and how many pieces it has, valid while it is open or somebody is at it.
    job: Mutex<Option<(JobPointer, usize)>>,
    /// Goes up with each job.
    number: AtomicUsize,
    /// Whether others may take pieces of it.
    open: AtomicBool,
    /// The next piece that nobody has taken.
    next: AtomicUsize,
    /// Other threads that are at it, or look whether it is open.
    at_it: AtomicUsize,
    /// Whether a picture is worked on, so that waiting is worth a CPU.
    awake: Mutex<bool>,
    wake: Condvar,
    /// The same, to be looked at without the lock.
    is_awake: AtomicBool,
    /// Whoever gives work, and where that was last.
    giver: Giver,
    ends: AtomicBool,
    /// Whether a job panicked on another thread.
    failed: AtomicBool,
}

#[derive(Clone, Copy)]
struct JobPointer(*const Job<'static>);

// SAFETY: the job can be shared, and `Threads::run` keeps it until all threads are done with it.
unsafe impl Send for JobPointer {}

/// See the module. Work is given by one owner, which is the first of the threads.
pub struct Threads {
    shared: Arc<Shared>,
    others: Vec<JoinHandle<()>>,
}

impl Threads {
    /// `count` threads, of which the caller's is one. Where the system gives fewer, there are fewer.
    pub fn new(count: usize) -> Threads {
        let shared = Arc::new(Shared {
            job: Mutex::new(None),
            number: AtomicUsize::new(0),
            open: AtomicBool::new(false),
            next: AtomicUsize::new(0),
            at_it: AtomicUsize::new(0),
            awake: Mutex::new(false),
            wake: Condvar::new(),
            is_awake: AtomicBool::new(false),
            giver: Giver::default(),
            ends: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        });
        let others = (1..count).map_while(|thread| {
            let shared = shared.clone();
            let work = move || shared.work(thread, Apart::new(count));
            std::thread::Builder::new().name(format!("kernels {thread}")).spawn(work).ok()
        });
        let others = others.collect();
        Threads { shared, others }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.others.len() + 1
    }

    /// Lets the other threads wait busily while `work` gives them jobs.
    pub fn awake<R>(&mut self, work: impl FnOnce(&mut Crew) -> R) -> R {
        if !self.others.is_empty() {
            self.shared.giver.is_here();
            self.shared.set_awake(true);
        }
        let _asleep = Asleep(&self.shared);
        work(&mut Crew { threads: self })
    }
}

/// Sends the threads to sleep, also when a job panics.
struct Asleep<'a>(&'a Shared);

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.0.set_awake(false);
    }
}

/// Threads that are awake.
pub struct Crew<'a> {
    threads: &'a Threads,
}

impl Crew<'_> {
    /// How many threads there are.
    pub fn count(&self) -> usize {
        self.threads.count()
    }

    /// Runs `job` once for each of `pieces`, given the number of the thread and of the piece; returns when all are done.
    pub fn run(&mut self, pieces: usize, job: impl Fn(usize, usize) + Sync) {
        let others = self.threads.others.len();
        if others == 0 || pieces < 2 {
            (0..pieces).for_each(|piece| job(0, piece));
            return;
        }
        let shared = &*self.threads.shared;
        let job: &Job<'_> = &job;
        // SAFETY: only the lifetime changes. `Close` below waits until no thread has the job any more.
        let pointer = JobPointer(unsafe { std::mem::transmute::<*const Job<'_>, *const Job<'static>>(job) });
        *lock(&shared.job) = Some((pointer, pieces));
        shared.next.store(0, Ordering::Relaxed);
        shared.number.fetch_add(1, Ordering::Relaxed);
        shared.open.store(true, Ordering::SeqCst);
        let close = Close(shared);
        shared.take_pieces(0, job, pieces);
        drop(close);
        assert!(!shared.failed.load(Ordering::Relaxed), "a job panicked on another thread");
    }
}

/// Lets nobody begin with the job, and waits for those who are at it, also when the own part of it panics. A thread that
/// the system has not woken yet is not waited for.
struct Close<'a>(&'a Shared);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        // One order for all threads: whoever comes later than this sees it closed, whoever came before is seen here.
        self.0.open.store(false, Ordering::SeqCst);
        let mut looks = 0;
        while self.0.at_it.load(Ordering::SeqCst) > 0 {
            look_again(&mut looks);
        }
    }
}

fn look_again(looks: &mut u32) {
    *looks += 1;
    if *looks < LOOKS { std::hint::spin_loop() } else { std::thread::yield_now() }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner) // each change leaves it whole
}

impl Shared {
    fn set_awake(&self, awake: bool) {
        self.is_awake.store(awake, Ordering::Relaxed);
        *lock(&self.awake) = awake;
        if awake {
            self.wake.notify_all();
        }
    }

    fn take_pieces(&self, thread: usize, job: &Job<'_>, pieces: usize) {
        loop {
            let piece = self.next.fetch_add(1, Ordering::Relaxed);
            if piece >= pieces {
                return;
            }
            job(thread, piece);
        }
    }

    fn work(&self, thread: usize, mut apart: Apart) {
        let (mut done, mut looks) = (0, 0);
        while !self.ends.load(Ordering::Relaxed) {
            if self.open.load(Ordering::Relaxed) && self.number.load(Ordering::Relaxed) != done {
                self.at_it.fetch_add(1, Ordering::SeqCst);
                if self.open.load(Ordering::SeqCst) {
                    done = self.number.load(Ordering::Relaxed);
                    let job = *lock(&self.job);
                    if let Some((JobPointer(job), pieces)) = job {
                        // SAFETY: `Close` waits for this thread before the job goes.
                        let job = unsafe { &*job };
                        let part = std::panic::AssertUnwindSafe(|| self.take_pieces(thread, job, pieces));
                        if std::panic::catch_unwind(part).is_err() {
                            self.failed.store(true, Ordering::Relaxed);
                        }
                    }
                }
                self.at_it.fetch_sub(1, Ordering::SeqCst);
                looks = 0;
            } else if self.is_awake.load(Ordering::Relaxed) {
                look_again(&mut looks);
            } else {
                apart.keep_from(&self.giver); // where it will be woken from
                let asleep = |awake: &mut bool| !*awake && !self.ends.load(Ordering::Relaxed);
                drop(self.wake.wait_while(lock(&self.awake), asleep));
                looks = 0;
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        self.shared.set_awake(true);
        for other in self.others.drain(..) {
            let _ = other.join(); // its panics were caught
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Threads;

    #[test]
    fn every_piece_of_a_job_is_done_once_by_however_many_threads() {
        for count in 1..5 {
            let mut threads = Threads::new(count);
            for pieces in [0, 1, 2, 7, 100] {
                let done: Vec<AtomicUsize> = (0..pieces).map(|_| AtomicUsize::new(0)).collect();
                threads.awake(|crew| {
                    assert_eq!(crew.count(), count);
                    for _ in 0..3 {
                        crew.run(pieces, |thread, piece| {
                            assert!(thread < count);
                            done[piece].fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
                assert!(
                    done.iter().all(|times| times.load(Ordering::Relaxed) == 3),
                    "{count} threads, {pieces} pieces"
                );
            }
        }
    }

    #[test]
    fn a_piece_that_panics_on_any_thread_is_the_callers_panic_and_nothing_is_wedged() {
        for broken in 0..8 {
            let mut threads = Threads::new(3);
            let job = |_, piece| assert_ne!(piece, broken, "on purpose");
            let told = catch_unwind(AssertUnwindSafe(|| threads.awake(|crew| crew.run(8, job))));
            assert!(told.is_err(), "piece {broken}");
            drop(threads);
            let (mut threads, done) = (Threads::new(3), AtomicUsize::new(0));
            threads.awake(|crew| crew.run(8, |_, _| _ = done.fetch_add(1, Ordering::Relaxed)));
            assert_eq!(done.into_inner(), 8);
        }
    }
}
