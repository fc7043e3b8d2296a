//! CPU affinity: moves worker threads off the core of the thread that submits work.
//!
//! Linux may wake a worker on the submitter's core. It waits there for its turn although another core is idle.

#[cfg(all(target_os = "linux", not(miri)))]
pub use linux::{AvoidCore, Submitter};
#[cfg(not(all(target_os = "linux", not(miri))))]
pub use unsupported::{AvoidCore, Submitter};

#[cfg(all(target_os = "linux", not(miri)))]
mod linux {
    use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

    use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

    const NO_CORE: usize = usize::MAX;

    /// Thread that submits work, and the core that it last ran on.
    pub struct Submitter {
        pub(super) core: AtomicUsize,
        thread: AtomicI32,
    }

    impl Default for Submitter {
        fn default() -> Submitter {
            Submitter { core: AtomicUsize::new(NO_CORE), thread: AtomicI32::new(0) }
        }
    }

    impl Submitter {
        /// Records the calling thread as the submitter, with its current core.
        pub fn record_cpu(&self) {
            self.thread.store(gettid().as_raw_nonzero().get(), Ordering::Relaxed);
            self.core.store(sched_getcpu(), Ordering::Relaxed);
        }
    }

    /// Affinity of one worker thread, which excludes the submitter's core.
    pub struct AvoidCore {
        threads: usize,
        avoided_core: usize,
    }

    impl AvoidCore {
        /// Creates the affinity of a worker in a pool of `threads` threads.
        pub fn new(threads: usize) -> AvoidCore {
            AvoidCore { threads, avoided_core: NO_CORE }
        }

        /// Restricts the calling thread to the submitter's cores without the one that the submitter runs on.
        ///
        /// If the submitter has fewer cores than the pool has threads, the worker may use all of them. The submitter's
        /// cores are read again whenever it has moved: a user or a power mode may change them.
        pub fn move_off(&mut self, submitter: &Submitter) {
            let core = submitter.core.load(Ordering::Relaxed);
            if core == self.avoided_core || core >= CpuSet::MAX_CPU {
                return;
            }
            self.avoided_core = core;
            let submitter = Pid::from_raw(submitter.thread.load(Ordering::Relaxed));
            let Ok(mut cores) = sched_getaffinity(submitter) else { return };
            if cores.count() as usize >= self.threads {
                cores.unset(core);
            }
            let _ = sched_setaffinity(None, &cores); // if it fails, the worker stays where the system puts it
        }
    }
}

/// Stand-in for systems without an affinity call: the scheduler alone places the threads.
#[cfg(not(all(target_os = "linux", not(miri))))]
mod unsupported {
    #[derive(Default)]
    pub struct Submitter;

    impl Submitter {
        pub fn record_cpu(&self) {}
    }

    pub struct AvoidCore;

    impl AvoidCore {
        pub fn new(_: usize) -> AvoidCore {
            AvoidCore
        }

        pub fn move_off(&mut self, _: &Submitter) {}
    }
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::Ordering;

    use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

    use super::*;

    /// Returns the cores that the calling thread may use.
    fn allowed_cores() -> Vec<usize> {
        let allowed = sched_getaffinity(None).unwrap();
        (0..1024).filter(|core| allowed.is_set(*core)).collect()
    }

    #[test]
    fn worker_avoids_submitter_core_unless_all_are_needed() {
        let submitter = Submitter::default();
        submitter.record_cpu();
        let cores = allowed_cores();
        let result = std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let mut needs_all = AvoidCore::new(cores.len() + 1);
                needs_all.move_off(&submitter);
                assert_eq!(allowed_cores(), cores);
                if cores.len() == 1 {
                    return; // no other core to move to
                }
                let mut affinity = AvoidCore::new(cores.len());
                for avoided in [cores[0], cores[cores.len() - 1]] {
                    submitter.core.store(avoided, Ordering::Relaxed);
                    affinity.move_off(&submitter);
                    let others: Vec<usize> = cores.iter().copied().filter(|core| *core != avoided).collect();
                    assert_eq!(allowed_cores(), others);
                    assert_ne!(sched_getcpu(), avoided);
                }
                affinity.move_off(&Submitter::default());
                assert!(!allowed_cores().contains(&cores[cores.len() - 1]), "an unknown core changed the affinity");
            });
            worker.join()
        });
        result.unwrap();
    }

    #[test]
    fn worker_follows_when_submitter_affinity_changes() {
        let cores = allowed_cores();
        let last = cores[cores.len() - 1];
        let submitter = Submitter::default();
        let turn = Barrier::new(2);
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let mut affinity = AvoidCore::new(2);
                for _ in 0..2 {
                    turn.wait();
                    affinity.move_off(&submitter);
                    turn.wait();
                }
                allowed_cores()
            });
            scope.spawn(|| {
                submitter.record_cpu();
                submitter.core.store(cores[0], Ordering::Relaxed);
                turn.wait();
                turn.wait();
                let mut only_last = CpuSet::new();
                only_last.set(last);
                sched_setaffinity(None, &only_last).unwrap();
                submitter.record_cpu();
                submitter.core.store(last, Ordering::Relaxed);
                turn.wait();
                turn.wait();
            });
            let allowed = worker.join().unwrap();
            if cores.len() > 1 {
                assert_eq!(allowed, [last], "the submitter has one core left, and the worker shares it");
            }
        });
    }
}
