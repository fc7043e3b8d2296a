//! Keeps the other threads off the core that gives them work: the system may wake a thread on the core of whoever wakes it,
//! where it then waits for its turn although another core is idle.

#[cfg(all(target_os = "linux", not(miri)))]
pub use linux::{Apart, Giver};
#[cfg(not(all(target_os = "linux", not(miri))))]
pub use nowhere::{Apart, Giver};

#[cfg(all(target_os = "linux", not(miri)))]
mod linux {
    use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

    use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

    /// Stands for no core.
    const NOWHERE: usize = usize::MAX;

    /// Who gives work, and where it was when it last did.
    pub struct Giver {
        pub(super) core: AtomicUsize,
        thread: AtomicI32,
    }

    impl Default for Giver {
        fn default() -> Giver {
            Giver { core: AtomicUsize::new(NOWHERE), thread: AtomicI32::new(0) }
        }
    }

    impl Giver {
        /// The calling thread, here.
        pub fn is_here(&self) {
            self.thread.store(gettid().as_raw_nonzero().get(), Ordering::Relaxed);
            self.core.store(sched_getcpu(), Ordering::Relaxed);
        }
    }

    /// The cores that a thread may use.
    pub struct Apart {
        threads: usize,
        from: usize,
    }

    impl Apart {
        /// For the calling thread, one of `threads`.
        pub fn new(threads: usize) -> Apart {
            Apart { threads, from: NOWHERE }
        }

        /// From now on the calling thread, for which this was made, runs on every core that the giver may run on but the one
        /// where it is; where those are fewer than the threads, on all of them. They are asked for each time that the giver
        /// is elsewhere: a user, or a power mode that turns cores off, may change them.
        pub fn keep_from(&mut self, giver: &Giver) {
            let core = giver.core.load(Ordering::Relaxed);
            if core == self.from || core >= CpuSet::MAX_CPU {
                return;
            }
            self.from = core;
            let giver = Pid::from_raw(giver.thread.load(Ordering::Relaxed));
            let Ok(mut cores) = sched_getaffinity(giver) else { return };
            if cores.count() as usize >= self.threads {
                cores.unset(core);
            }
            let _ = sched_setaffinity(None, &cores); // else it is where the system has it
        }
    }
}

/// Where nobody can be asked for cores, threads are where the system has them.
#[cfg(not(all(target_os = "linux", not(miri))))]
mod nowhere {
    #[derive(Default)]
    pub struct Giver;

    impl Giver {
        pub fn is_here(&self) {}
    }

    pub struct Apart;

    impl Apart {
        pub fn new(_: usize) -> Apart {
            Apart
        }

        pub fn keep_from(&mut self, _: &Giver) {}
    }
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use std::sync::atomic::Ordering;

    use rustix::thread::{sched_getaffinity, sched_getcpu};

    use super::*;

    #[test]
    fn a_thread_is_kept_from_one_core_at_a_time_unless_all_are_needed() {
        let giver = Giver::default();
        giver.is_here();
        let before = sched_getaffinity(None).unwrap();
        let cores: Vec<usize> = (0..1024).filter(|core| before.is_set(*core)).collect();
        let told = std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let mut none_to_spare = Apart::new(cores.len() + 1);
                none_to_spare.keep_from(&giver);
                assert!(sched_getaffinity(None).unwrap() == before);
                if cores.len() == 1 {
                    return; // there is nowhere else to be
                }
                let mut apart = Apart::new(cores.len());
                for from in [cores[0], cores[cores.len() - 1]] {
                    giver.core.store(from, Ordering::Relaxed);
                    apart.keep_from(&giver);
                    let now = sched_getaffinity(None).unwrap();
                    assert!(cores.iter().all(|core| now.is_set(*core) == (*core != from)));
                    assert_ne!(sched_getcpu(), from);
                }
                apart.keep_from(&Giver::default());
                assert!(!sched_getaffinity(None).unwrap().is_set(cores[cores.len() - 1]), "no core is no news");
            });
            other.join()
        });
        told.unwrap();
    }

    #[test]
    fn a_thread_follows_when_the_giver_may_use_other_cores() {
        let before = sched_getaffinity(None).unwrap();
        let cores: Vec<usize> = (0..1024).filter(|core| before.is_set(*core)).collect();
        let (giver, given) = (Giver::default(), std::sync::Barrier::new(2));
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let mut apart = Apart::new(2);
                for _ in 0..2 {
                    given.wait();
                    apart.keep_from(&giver);
                    given.wait();
                }
                sched_getaffinity(None).unwrap()
            });
            scope.spawn(|| {
                giver.is_here();
                giver.core.store(cores[0], Ordering::Relaxed);
                given.wait();
                given.wait();
                let mut last = rustix::thread::CpuSet::new();
                last.set(cores[cores.len() - 1]);
                rustix::thread::sched_setaffinity(None, &last).unwrap();
                giver.is_here();
                giver.core.store(cores[cores.len() - 1], Ordering::Relaxed);
                given.wait();
                given.wait();
            });
            let now = other.join().unwrap();
            assert!(
                cores.len() == 1 || (now.count() == 1 && now.is_set(cores[cores.len() - 1])),
                "both on the one left"
            );
        });
    }
}
